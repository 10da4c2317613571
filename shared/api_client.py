"""The only client of the ticket API: one connection pool, one deadline, and errors that say what happened.

- Every call, retries included, ends within one deadline (6 s): a support agent waits no longer for an assistant.
- Each request needs a slot in the queue of its API (`shared.fair_queue`); without a slot nothing is sent.
- A read is retried with jitter on a lost connection or a temporary 502, 503 or 504. A write is always sent only once.
- For a write, anything but a clear response means *outcome unknown*, unless the cause proves that nothing was sent.
- No prose of the API reaches a caller: it may be HTML, a stack trace or an instruction to the model.

The embedded API is reached through `shared.embedded.in_process.InProcessTransport`: same client, same code path.
"""

import errno
import json
import random
import re
import socket
import ssl
import uuid
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType, TracebackType
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
    UpstreamDiskFullError,
    UpstreamError,
    UpstreamFaultError,
    UpstreamNotWritableError,
    UpstreamRefusedError,
    UpstreamUnavailableError,
)
from shared.fair_queue import FairQueue, QueueFullError
from shared.telemetry import Counter, get_logger

log = get_logger(__name__)

DEADLINE_S: Final = 6.0
MAX_BODY_BYTES: Final = 8 * 1024 * 1024
_ATTEMPTS: Final = 3
_PASSING: Final = frozenset({502, 503, 504})
MAX_PLACES: Final = 64
"""Maximum requests in flight for one client."""
_LIMITS: Final = httpx2.Limits(max_connections=MAX_PLACES, max_keepalive_connections=32, keepalive_expiry=3.0)
"""Node closes an idle connection after 5 s; the client must close it first."""
_NEVER_CONNECTED: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
_NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,50}")
"""Matches field names and ids, but no prose."""


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
        raise InvalidInputError(f"{value!r} is not an id. Nothing was changed.")
    return quote(value, safe="")


class APIClient:
    """Exchanges JSON with the ticket API; an async context manager that owns its connection pool.

    Args:
        base_url: address of the API, with or without a path.
        api_key: sent as `x-api-key`.
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
            transport=transport or httpx2.AsyncHTTPTransport(verify=_trusted(), limits=_LIMITS),
            timeout=deadline_s,  # the deadline below decides; this only closes forgotten sockets
            follow_redirects=False,
        )
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

    async def get(self, path: str, *, params: Mapping[str, str | int | bool] | None = None) -> Any:
        """Return the JSON at `path`.

        Raises:
            NotFoundError, InvalidInputError: the API says so in its own JSON.
            UpstreamError: the API failed; nothing was changed.
        """
        query = {name: _query_value(value) for name, value in (params or {}).items()}
        return await self._call("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Any:
        """Send `body` once and return the JSON of the response.

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
            log.warning("api_deadline_passed", method=method, deadline_s=self._deadline_s)
            raise _unanswered(method, f"did not answer within {self._deadline_s:g} s") from None
        except UnicodeEncodeError:  # JSON can encode half a surrogate pair, UTF-8 cannot
            outcome = InvalidInputError.kind
            raise InvalidInputError("A text ends in the middle of a character. Nothing was changed.") from None
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
                status, body = await self._send(method, path, request)
            except httpx2.TransportError as error:
                log.warning("api_connection_failed", method=method, attempt=attempt, error=type(error).__name__)
                if last:
                    raise _lost(method, error) from error
            else:
                if last or status not in _PASSING:
                    return _decode_response(method, status, body)
            await anyio.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send(self, method: str, path: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        """Send one request once it has a slot, and return status and body. Raises: UpstreamBusyError."""
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
                "Too many calls wait for the ticket API. Nothing was changed; try again in a moment."
            ) from None

    async def _exchange(self, method: str, path: str, request: Mapping[str, Any]) -> tuple[int, bytes]:
        """Return status and body; the body is empty, which counts as a fault, if it is too large or not decodable."""
        async with self._client.stream(method, path.lstrip("/"), **request) as response:
            self._client.cookies.clear()  # the API needs none; keeping them would mix up callers
            body = bytearray()
            try:
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY_BYTES:
                        log.error("api_answer_too_large", method=method, limit_bytes=MAX_BODY_BYTES)
                        return response.status_code, b""
            except httpx2.DecodingError:
                return response.status_code, b""
            return response.status_code, bytes(body)


def _query_value(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unanswered(method: str, what: str) -> UpstreamError:
    if method == "GET":
        return UpstreamUnavailableError(f"The ticket API {what}. Nothing was changed; try again in a moment.")
    return OutcomeUnknownError(f"The ticket API {what}.")


def _lost(method: str, error: httpx2.TransportError) -> UpstreamError:
    if _proves_nothing_was_sent(error):
        return UpstreamUnavailableError("The ticket API cannot be reached. Nothing was changed; try again in a moment.")
    return _unanswered(method, "dropped the connection before it answered")


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


def _decode_response(method: str, status: int, body: bytes) -> Any:
    """Return the JSON of an HTTP response, or raise the error that it means."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):  # or nested a thousand levels deep
        log.error("api_answer_not_json", method=method, status=status)
        raise _senseless(method, status, "with something that is not JSON") from None
    if 200 <= status < 300:
        return value
    says = value if isinstance(value, dict) else {}
    if status in {401, 403} or (status == 429 and says.get("kind") == "too_many_wrong_keys"):
        log.error("api_refused_our_key", status=status)
        raise UpstreamRefusedError(
            "The ticket API does not accept this server's own key. Nothing was changed; "
            "the operator must set a valid key: MCP_API_KEY, or that of your organisation."
        )
    if status == 404:
        raise NotFoundError("The ticket API has nothing with that id. Nothing was changed.")
    if status == 409:
        raise ConflictError(
            "This idempotency key was already used for a different request. Nothing was changed; use a new key."
        )
    if status in {400, 413, 422}:
        raise _refused_input(says)
    if status in {503, 507} and (unusable := _UNUSABLE.get(str(says.get("kind")))) is not None:
        log.error("api_database_unusable", method=method, kind=says["kind"])
        raise unusable()
    if status == 429 or (status in _PASSING and method == "GET"):
        raise UpstreamUnavailableError("The ticket API is overloaded. Nothing was changed; try again in a moment.")
    log.error("api_fault", method=method, status=status)
    raise _senseless(method, status, f"with an error of its own (HTTP {status})")


_NOT_WRITABLE: Final = "The ticket database cannot be written. Nothing was changed; the operator must check it."
_UNUSABLE: Final[Mapping[str, Callable[[], UpstreamError]]] = MappingProxyType({
    "disk_full": lambda: UpstreamDiskFullError(
        "The disk of the ticket database is full. Nothing was changed; the operator must make room there."
    ),
    "read_only": lambda: UpstreamNotWritableError(_NOT_WRITABLE),
    "disk_failed": lambda: UpstreamNotWritableError(_NOT_WRITABLE),
})  # fmt: skip
"""The reference API returns these `kind`s for a request it rolled back, which proves that nothing was changed."""


def _senseless(method: str, status: int, how: str) -> UpstreamError:
    if method == "GET":
        return UpstreamFaultError(
            f"The ticket API answered {how}. This is a fault of the ticket API, not of the request."
        )
    return OutcomeUnknownError(
        f"The ticket API answered {how}. This is a fault of the ticket API.",
        settled=status not in _PASSING,  # a proxy sends those, while the API may still be executing the request
    )


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _refused_input(says: Mapping[str, Any]) -> InvalidInputError:
    """Return the error for a refusal by the API, with its field names and ids but never its prose."""
    field = says.get("field")
    allowed = says.get("allowed")
    named = _is_name(field)
    values = [value for value in allowed if _is_name(value)][:50] if isinstance(allowed, list) else []
    text = (
        f"The ticket API refused the value of {field}." if named else "The ticket API refused the request as invalid."
    )
    if values:
        text += f" Allowed: {', '.join(values)}."
    return InvalidInputError(f"{text} Nothing was changed.", field=str(field) if named else None, allowed=values)
