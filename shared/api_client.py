"""The only client of the ticket API: one connection pool, one deadline, and errors that say what happened.

- Every call, retries included, ends within one deadline (6 s): a support agent waits no longer for an assistant.
- Each request needs a slot in the queue of its API (`shared.fair_queue`); without a slot nothing is sent.
- A read is retried with jitter on a lost connection or a temporary 502, 503 or 504. A write is always sent only once.
- For a write, a lost connection means *outcome unknown*, unless the cause proves that nothing was sent.
- What a response means is decided in `shared.upstream.meaning`.

The embedded API is reached through `shared.embedded.in_process.InProcessTransport`: same client, same code path.
"""

import errno
import random
import socket
import ssl
import uuid
from collections.abc import Mapping
from functools import cache
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import anyio
import httpx2

from shared.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    OutcomeUnknownError,
    UpstreamBusyError,
    UpstreamError,
    UpstreamUnavailableError,
)
from shared.fair_queue import FairQueue, QueueFullError
from shared.localization import localized
from shared.telemetry import Counter, get_logger
from shared.upstream.body_text import UnreadableBodyError
from shared.upstream.meaning import value_of
from shared.upstream.refusals import PASSING
from shared.upstream.response import ApiResponse

log = get_logger(__name__)

QueryValue = str | int | bool | tuple[str, ...]

DEADLINE_S: Final = 6.0
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_ATTEMPTS: Final = 3
_WAITS_S: Final = 1.0
"""A read that is asked to wait longer than this, in seconds, is not retried."""
MAX_PLACES: Final = 64
"""Maximum requests in flight for one client."""
_LIMITS: Final = httpx2.Limits(max_connections=MAX_PLACES, max_keepalive_connections=32, keepalive_expiry=3.0)
"""Node closes an idle connection after 5 s; the client must close it first."""
_NEVER_CONNECTED: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


@cache
def _trusted() -> ssl.SSLContext:
    """Return the trusted certificates, loaded once: loading takes 17 ms and 800 kB, and each tenant has a client."""
    return httpx2.create_ssl_context()


def segment(value: str) -> str:
    """Return `value` quoted as one path segment.

    Raises:
        InvalidInputError: it cannot be a segment (empty, `.` or `..`, control characters, half a surrogate pair).
    """
    if value.strip(".") == "" or not value.isprintable():
        raise InvalidInputError(localized("{value} is not an id. Nothing was changed.", value=repr(value)))
    return quote(value, safe="")


class APIClient:
    """Exchanges JSON with the ticket API; an async context manager that owns its connection pool.

    Args:
        base_url: address of the API, with or without a path.
        api_key: sent as `x-api-key`.
        proxy: the proxy to connect through, if any.
        transport: carries the requests; the default opens real connections.
        deadline_s: seconds for one call, including all its attempts.
        counter: counts `api_requests` by method and outcome.
        queue: the slots of this API; by default one per connection, for this client alone.
        organisation: the organisation that makes the calls, for its turn in the queue.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        proxy: httpx2.Proxy | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        deadline_s: float = DEADLINE_S,
        counter: Counter | None = None,
        queue: FairQueue | None = None,
        organisation: str = "",
    ) -> None:
        headers = {"accept": "application/json"}
        if api_key is not None:
            headers["x-api-key"] = api_key
        self._client = httpx2.AsyncClient(
            base_url=base_url.rstrip("/") + "/",
            headers=headers,
            transport=transport or httpx2.AsyncHTTPTransport(verify=_trusted(), limits=_LIMITS, proxy=proxy),
            timeout=deadline_s,  # the deadline below decides; this only closes forgotten sockets
            follow_redirects=False,
        )
        self._through = {} if proxy is None else {"proxy": proxy.url.host}
        self._deadline_s = deadline_s
        self._counter = counter
        self._queue = queue if queue is not None else FairQueue(MAX_PLACES)
        self._organisation = organisation

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def get(self, path: str, *, params: Mapping[str, QueryValue] | None = None) -> Any:
        """Return the JSON at `path`. A parameter with several values is sent once for each.

        Raises:
            NotFoundError, InvalidInputError: the API says so in its own JSON.
            UpstreamError: the API failed; nothing was changed.
        """
        query = {name: _query_value(value) for name, value in (params or {}).items()}
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Send `body` once and return the JSON of the response: with the `id` that it names, None if there is nothing.

        Raises:
            OutcomeUnknownError: it may have been done.
            NotFoundError, InvalidInputError, ConflictError, UpstreamError: nothing was changed.
        """
        return await self._write("POST", path, body, idempotency_key)

    async def put(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Do as `post`, to change an existing resource."""
        return await self._write("PUT", path, body, idempotency_key)

    async def _write(self, method: str, path: str, body: Mapping[str, Any], key: str | None) -> Any:
        return await self._call(method, path, json=dict(body), headers={"idempotency-key": key or str(uuid.uuid4())})

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        outcome = "cancelled"
        try:
            with anyio.fail_after(self._deadline_s):
                response = await self._attempt(method, path, request)
            outcome = "ok"
            return response
        except TimeoutError:
            outcome = "deadline"
            log.warning("api_deadline_passed", deadline_s=self._deadline_s, **self._facts(method, path))
            late = localized("The ticket API did not answer within {seconds:g} s.", seconds=self._deadline_s)
            raise _unanswered(method, late) from None
        except UnicodeEncodeError:  # JSON can encode half a surrogate pair, UTF-8 cannot
            outcome = InvalidInputError.kind
            raise InvalidInputError(
                localized("A text ends in the middle of a character. Nothing was changed.")
            ) from None
        except (UpstreamError, InvalidInputError, NotFoundError, ConflictError) as error:
            outcome = error.kind
            raise
        finally:
            if self._counter is not None:
                self._counter.count("api_requests", method=method, outcome=outcome)

    async def _attempt(self, method: str, path: str, request: Mapping[str, Any]) -> Any:
        attempts = _ATTEMPTS if method == "GET" else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = await self._send(method, path, request)
            except httpx2.TransportError as error:
                facts = self._facts(method, path)
                log.warning(
                    "api_connection_failed", attempt=attempt, error=type(error).__name__, **facts, **self._through
                )
                if last:
                    raise _lost(method, error) from error
            else:
                if last or response.status not in PASSING or (response.wait_s or 0) > _WAITS_S:
                    return value_of(response)
            await anyio.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send(self, method: str, path: str, request: Mapping[str, Any]) -> ApiResponse:
        """Send one request once it has a slot. Raises: UpstreamBusyError."""
        await self._take_place()
        try:
            return await self._exchange(method, path, request)
        finally:
            self._queue.release(self._organisation)

    async def _take_place(self) -> None:
        """Wait at most half the deadline for a slot, so that a call without one can report that nothing was sent."""
        try:
            await self._queue.acquire(self._organisation, patience_s=self._deadline_s / 2)
        except (QueueFullError, TimeoutError):
            raise UpstreamBusyError(
                localized("Too many calls wait for the ticket API. Nothing was changed; try again in a moment.")
            ) from None

    async def _exchange(self, method: str, path: str, request: Mapping[str, Any]) -> ApiResponse:
        async with self._client.stream(method, path.lstrip("/"), **request) as received:
            self._client.cookies.clear()  # the API needs none; keeping them would mix up callers
            body, cut_off = await self._received(received)
            return ApiResponse(
                status=received.status_code,
                headers=received.headers,
                body=body,
                cut_off=cut_off,
                resource=path,
                **self._facts(method, path),
            )

    async def _received(self, received: httpx2.Response) -> tuple[bytes, UnreadableBodyError | None]:
        """Return the body, or nothing and why it could not be received."""
        body = bytearray()
        try:
            async for chunk in received.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY_BYTES:
                    log.error("api_answer_too_large", method=received.request.method, limit_bytes=MAX_BODY_BYTES)
                    return b"", UnreadableBodyError("larger than {size} MiB", size=MAX_BODY_BYTES >> 20)
        except httpx2.DecodingError:
            return b"", UnreadableBodyError("not compressed as declared")
        return bytes(body), None

    def _facts(self, method: str, path: str) -> dict[str, str]:
        """Return the fields of a request for a log line: where it goes, without the query."""
        url = self._client.base_url.join(path.lstrip("/"))
        return {"method": method, "host": url.host, "path": url.raw_path.decode("ascii").partition("?")[0]}


def _query_value(value: QueryValue) -> str | list[str]:
    if isinstance(value, tuple):
        return list(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unanswered(method: str, what: str) -> UpstreamError:
    if method == "GET":
        return UpstreamUnavailableError(what + localized(" Nothing was changed; try again in a moment."))
    return OutcomeUnknownError(what)


def _lost(method: str, error: httpx2.TransportError) -> UpstreamError:
    if isinstance(error, httpx2.ProxyError):
        return UpstreamUnavailableError(
            localized(
                "The proxy did not connect to the ticket API. Nothing was changed; the operator must check "
                "HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
            )
        )
    if _proves_nothing_was_sent(error):
        return UpstreamUnavailableError(
            localized("The ticket API cannot be reached. Nothing was changed; try again in a moment.")
        )
    return _unanswered(method, localized("The ticket API dropped the connection before it answered."))


def _proves_nothing_was_sent(error: httpx2.TransportError) -> bool:
    """Whether the *cause* shows that there was no connection; the class alone can be wrong about a dropped POST."""
    if not isinstance(error, httpx2.ConnectError):
        return False
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (socket.gaierror, ssl.SSLError)):
            return True
        if isinstance(cause, OSError) and cause.errno in _NEVER_CONNECTED:
            return True
        if isinstance(cause, BaseExceptionGroup):  # one for each address of the host
            return all(isinstance(one, OSError) and one.errno in _NEVER_CONNECTED for one in cause.exceptions)
        cause = cause.__cause__ or cause.__context__
    return False
