"""The only client of the ticket API: one connection pool, one deadline, and errors that say what happened.

- Every call, retries included, ends within one deadline (6 s): a support agent waits no longer for an assistant.
- Each request needs a slot in the queue of its API (`shared.fair_queue`); without a slot nothing is sent.
- A read is retried with jitter on a lost connection or a temporary 502, 503 or 504. A write is always sent only once.
- For a write, a lost connection means *outcome unknown*, unless the cause proves that nothing was sent.
- What a response means is decided in `shared.upstream.meaning`.

The embedded API is reached through `shared.embedded.in_process.InProcessTransport`: same client, same code path.
"""

import asyncio
import json
import random
import ssl
import uuid
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import quote, quote_plus

import httpx2

from shared.counting import Counter
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
from shared.spans import recorder
from shared.telemetry import current_trace, get_logger
from shared.trace_context import path_of_ids
from shared.upstream.connection_pool import IDLE_S, MAX_IDLE, ConnectionPool
from shared.upstream.httpx_transport import HTTPXTransport
from shared.upstream.meaning import value_of
from shared.upstream.refusals import PASSING
from shared.upstream.response import ApiResponse
from shared.upstream.traced_transport import TracedTransport
from shared.upstream.transport import ApiTransport, LostError, NotSentError, ProxyRefusedError, Request
from shared.upstream.waiting import ApiRequest

if TYPE_CHECKING:
    from shared.upstream.google_identity import GoogleIdentity

log = get_logger(__name__)

QueryValue = str | int | bool | tuple[str, ...]

DEADLINE_S: Final = 6.0
_ATTEMPTS: Final = 3
_WAITS_S: Final = 1.0
"""A read that is asked to wait longer than this, in seconds, is not retried."""
MAX_PLACES: Final = 64
"""Maximum requests in flight for one client."""
_HEADERS: Final = {"accept": "application/json", "accept-encoding": "gzip", "user-agent": "mcp-ticket-server"}
_PORTS: Final = {"http": 80, "https": 443}


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
        identity: proves to Cloud Run who calls; see `GoogleIdentity.over`.
        deadline_s: seconds for one call, including all its attempts.
        counter: counts `api_requests` by method and outcome, and takes their durations.
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
        identity: "GoogleIdentity | None" = None,
        deadline_s: float = DEADLINE_S,
        counter: Counter | None = None,
        queue: FairQueue | None = None,
        organisation: str = "",
    ) -> None:
        url = httpx2.URL(base_url)
        headers = _HEADERS if api_key is None else {**_HEADERS, "x-api-key": api_key}
        self._host = url.host
        self._prefix = url.raw_path.decode("ascii").rstrip("/")
        carrier = _transport_to(url, headers, proxy, transport, deadline_s)
        if identity is not None:
            carrier = identity.over(carrier, base_url)
        self._transport = carrier if recorder() is None else TracedTransport(carrier, url.host, url.port)
        self._through = {} if proxy is None else {"proxy": proxy.url.host}
        self._deadline_s = deadline_s
        self._requests = None if counter is None else counter.labelled("api_requests", "method", "outcome")
        self._durations = None if counter is None else counter.histogram("api_time")
        self._queue = queue if queue is not None else FairQueue(MAX_PLACES)
        self._organisation = organisation

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._transport.aclose()

    async def get(self, path: str, *, params: Mapping[str, QueryValue] | None = None) -> Any:
        """Return the JSON at `path`. A parameter with several values is sent once for each.

        Raises:
            NotFoundError, InvalidInputError: the API says so in its own JSON.
            UpstreamError: the API failed; nothing was changed.
        """
        return await self._call("GET", path, query=params)

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
        return await self._call(method, path, body=body, headers={"idempotency-key": key or str(uuid.uuid4())})

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, QueryValue] | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
        body: Mapping[str, Any] | None = None,
    ) -> Any:
        outcome, running = "cancelled", ApiRequest()
        if (place := current_trace()) is not None:
            headers = {**headers, "traceparent": place.traceparent}
        try:
            request = Request(method, f"{self._prefix}{path}{_query(query)}", headers, _encoded(body))
            async with asyncio.timeout(self._deadline_s):
                response = await self._attempt(request, path)
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
            seconds = running.end()
            if self._requests is not None and self._durations is not None:
                self._requests.add(method, outcome)
                self._durations.observe(seconds, method, "" if outcome == "ok" else outcome)

    async def _attempt(self, request: Request, path: str) -> Any:
        attempts = _ATTEMPTS if request.method == "GET" else 1
        for attempt in range(1, attempts + 1):
            last = attempt == attempts
            try:
                response = await self._send(request, path)
            except LostError as error:
                facts = self._facts(request.method, path)
                log.warning("api_connection_failed", attempt=attempt, error=str(error), **facts, **self._through)
                if last:
                    raise _lost(request.method, error) from error
            else:
                if last or response.status not in PASSING or (response.wait_s or 0) > _WAITS_S:
                    return value_of(response)
            await asyncio.sleep(random.uniform(0, 0.1 * 2**attempt))  # noqa: S311 - jitter, not a secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _send(self, request: Request, path: str) -> ApiResponse:
        """Send one request once it has a slot. Raises: UpstreamBusyError, LostError."""
        await self._take_place()
        try:
            received = await self._transport.exchange(request)
        finally:
            self._queue.release(self._organisation)
        status, headers, body, cut_off = received
        return ApiResponse(request.method, path, self._host, self._prefix + path, status, headers, body, cut_off)

    async def _take_place(self) -> None:
        """Wait at most half the deadline for a slot, so that a call without one can report that nothing was sent."""
        try:
            await self._queue.acquire(self._organisation, patience_s=self._deadline_s / 2)
        except (QueueFullError, TimeoutError):
            raise UpstreamBusyError(
                localized("Too many calls wait for the ticket API. Nothing was changed; try again in a moment.")
            ) from None

    def _facts(self, method: str, path: str) -> dict[str, str]:
        """Return the fields of a request for a log line: where it goes, without the query."""
        return {"method": method, "host": self._host, "path": path_of_ids(self._prefix + path)}


def _transport_to(
    url: httpx2.URL,
    headers: Mapping[str, str],
    proxy: httpx2.Proxy | None,
    transport: httpx2.AsyncBaseTransport | None,
    timeout_s: float,
) -> ApiTransport:
    """Return what carries the requests to `url`: direct connections, unless a transport or a proxy is given."""
    authority, host = url.netloc.decode("ascii"), url.raw_host.decode("ascii")
    if transport is None and proxy is None:
        tls = _trusted() if url.scheme == "https" else None
        return ConnectionPool(host, url.port or _PORTS[url.scheme], authority=authority, tls=tls, headers=headers)
    if transport is None:
        limits = httpx2.Limits(max_connections=MAX_PLACES, max_keepalive_connections=MAX_IDLE, keepalive_expiry=IDLE_S)
        transport = httpx2.AsyncHTTPTransport(verify=_trusted(), limits=limits, proxy=proxy)
    return HTTPXTransport(transport, origin=f"{url.scheme}://{authority}", headers=headers, timeout_s=timeout_s)


def _query(params: Mapping[str, QueryValue] | None) -> str:
    """Return the query of an address, with its question mark; empty without parameters."""
    if not params:
        return ""
    several = ((name, value if isinstance(value, tuple) else (value,)) for name, value in params.items())
    return f"?{'&'.join([f'{_quoted(name)}={_quoted(one)}' for name, values in several for one in values])}"


def _quoted(value: str | int | bool) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if text.isascii() and text.isalnum() else quote_plus(text)  # most are a word or a number


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    """Return `body` as JSON. Raises: UnicodeEncodeError: half a surrogate pair."""
    if body is None:
        return None
    return json.dumps(dict(body), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def _unanswered(method: str, what: str) -> UpstreamError:
    if method == "GET":
        return UpstreamUnavailableError(what + localized(" Nothing was changed; try again in a moment."))
    return OutcomeUnknownError(what)


def _lost(method: str, error: LostError) -> UpstreamError:
    if isinstance(error, ProxyRefusedError):
        return UpstreamUnavailableError(
            localized(
                "The proxy did not connect to the ticket API. Nothing was changed; the operator must check "
                "HTTPS_PROXY, HTTP_PROXY and NO_PROXY."
            )
        )
    if isinstance(error, NotSentError):
        return UpstreamUnavailableError(
            localized("The ticket API cannot be reached. Nothing was changed; try again in a moment.")
        )
    return _unanswered(method, localized("The ticket API dropped the connection before it answered."))
