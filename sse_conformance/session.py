"""A session as a client has it: message endpoint, stream and handshake. Built on the raw client."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

from sse_conformance.client import Client, ClientStream, Headers, HTTPReply, Message, NotConformingError

REVISION: Final = "2024-11-05"
PINGS_TO_SETTLE: Final = 2
Id = int | str


class Session:
    """One session: a message endpoint, and the open stream, if any."""

    def __init__(self, client: Client, credentials: Mapping[str, str]) -> None:
        self.url = ""
        self.stream: ClientStream
        self.sent: list[Id] = []
        """The ids of the requests that were sent, oldest first."""
        self._client = client
        self._credentials = credentials
        self._ids = itertools.count(1)
        self._open = AsyncExitStack()

    async def open(self, headers: Mapping[str, str] | None = None) -> None:
        """Open a stream, wait for its `endpoint`, and use both for this session."""
        await self.connect(headers)
        self.url = self._client.address(await self.stream.endpoint())

    async def connect(self, headers: Mapping[str, str] | None = None) -> None:
        """Open a stream for this session; its state, including the message endpoint, is kept."""
        stream = self._client.stream(headers, credentials=self._credentials)
        self.stream = await self._open.enter_async_context(stream)

    async def close(self) -> None:
        """Close every stream, like a client that lost its connection."""
        await self._open.aclose()
        self._open = AsyncExitStack()

    async def post_bytes(
        self,
        content: bytes | AsyncIterator[bytes],
        headers: Headers | None = None,
        *,
        url: str | None = None,
        credentials: Mapping[str, str] | None = None,
    ) -> HTTPReply:
        """Send a body unchanged, as JSON unless `headers` say otherwise; to another `url`, or as another user."""
        return await self._client.exchange(
            "POST",
            self.url if url is None else url,
            content=content,
            headers={"content-type": "application/json", **(headers or {})},
            credentials=self._credentials if credentials is None else credentials,
        )

    async def post(self, message: object, headers: Headers | None = None, **where: Any) -> HTTPReply:
        """Send anything as JSON. `where`: see `post_bytes`."""
        for one in message if isinstance(message, list) else [message]:
            if isinstance(one, dict) and "method" in one and "id" in one:
                self.sent.append(one["id"])
        return await self.post_bytes(json.dumps(message).encode(), headers, **where)

    async def send(self, message: object) -> None:
        """Send a message that must be accepted. Raises: NotConformingError."""
        reply = await self.post(message)
        if not 200 <= reply.status < 300:
            raise NotConformingError(f"A POST of a valid message was answered {reply.status}.")

    async def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        """Send a notification."""
        await self.send({"jsonrpc": "2.0", "method": method, **({} if params is None else {"params": params})})

    def next_request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return a request with an id that this session has not used, without sending it."""
        given = {} if params is None else {"params": dict(params)}
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, **given}

    async def request(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its response, result or error."""
        message = self.next_request(method, params)
        await self.send(message)
        return await self.respond(message["id"], method)

    def responses(self, request_id: Id) -> list[Message]:
        """Return the responses to `request_id` on the open stream; the type of the id matters."""
        return [
            one
            for one in self.stream.messages
            if "method" not in one.value and "id" in one.value and same_id(one.value["id"], request_id)
        ]

    async def respond(self, request_id: Id, what: str) -> dict[str, Any]:
        """Wait for a response to `request_id`. Raises: NotConformingError, also if the type of its id changed."""
        try:
            found = await self.stream.until(
                lambda: self.responses(request_id) or self._with_another_type(request_id), f"the response to {what}"
            )
        except NotConformingError as reason:
            if not (others := self.unasked()):
                raise
            raise NotConformingError(f"{reason} One to no request came: {json.dumps(others[0].value)[:80]}") from None
        if not same_id(got := found[0].value["id"], request_id):
            raise NotConformingError(f"The response to {what} has the id {json.dumps(got)}.")
        return found[0].value

    def _with_another_type(self, request_id: Id) -> list[Message]:
        answers = (one for one in self.stream.messages if "method" not in one.value and "id" in one.value)
        return [one for one in answers if one.value["id"] == request_id or str(one.value["id"]) == str(request_id)]

    def unasked(self) -> list[Message]:
        """Return the responses on the open stream to which no request belongs."""
        waiting = list(self.sent)
        found = []
        for one in self.stream.messages:
            if "method" in one.value:
                continue
            asked = [at for at, sent in enumerate(waiting) if same_id(sent, one.value.get("id"))]
            if asked:
                del waiting[asked[0]]
            else:
                found.append(one)
        return found

    async def result(self, method: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its result. Raises: NotConformingError if it has no result."""
        result = (await self.request(method, params)).get("result")
        if not isinstance(result, dict):
            raise NotConformingError(f"{method} was answered without a result.")
        return result

    async def initialize(self, revision: str = REVISION) -> dict[str, Any]:
        """Send `initialize` alone and return its result."""
        return await self.result("initialize", initialize_params(revision))

    async def handshake(self, revision: str = REVISION) -> dict[str, Any]:
        """Send `initialize`, then `initialized`, and return the result."""
        result = await self.initialize(revision)
        await self.notify("notifications/initialized")
        return result

    async def settle(self) -> None:
        """Wait for the responses to some pings, one by one: everything written before them has arrived."""
        for _ in range(PINGS_TO_SETTLE):
            await self.request("ping")


def same_id(one: object, other: object) -> bool:
    """Return whether two JSON-RPC ids are equal, including their type."""
    return type(one) is type(other) and one == other


def initialize_params(revision: str) -> dict[str, Any]:
    """Return the parameters of `initialize`, with client capabilities that invite a server to send requests."""
    return {
        "protocolVersion": revision,
        "capabilities": {"roots": {"listChanged": True}, "sampling": {}},
        "clientInfo": {"name": "sse-conformance", "version": "1"},
    }


async def open_session(
    client: Client, revision: str | None = REVISION, *, credentials: Mapping[str, str] | None = None
) -> Session:
    """Open a session and initialize it at `revision`, unless that is None. It is closed with the client."""
    session = Session(client, client.target.headers if credentials is None else credentials)
    client.at_the_end(session.close)
    await session.open()
    if revision is not None:
        await session.handshake(revision)
    return session
