"""Errors as HTTP responses: one table, the same on every wire. Pure."""

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from mcp_types import INVALID_REQUEST, UNSUPPORTED_PROTOCOL_VERSION
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS
from starlette.responses import JSONResponse

from shared.errors import TicketServerError
from shared.identity import AuthenticationError, InsufficientScopeError
from shared.json_body import MalformedMessageError
from transport import jsonrpc
from transport.dispatch.stateless import TooBusyError
from transport.http.event_stream import TooManyStreamsError
from transport.rate_limit import RateLimitedError
from transport.sessions.broker import BrokerUnavailableError, CapReachedError, SessionGoneError
from transport.sessions.claims import RequestIdReusedError

REVISIONS: Final = (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS)
"""Revisions of the protocol that are served."""


class HTTPRefusalError(TicketServerError):
    """A request that HTTP itself has a status for; the text says what was wrong and what would be right."""

    def __init__(self, status: int, kind: str, text: str, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.kind = kind
        self.headers = headers or {}


class UnsupportedVersionError(TicketServerError):
    """`MCP-Protocol-Version` is no revision that is served."""

    kind = "protocol_version"

    def __init__(self, requested: str) -> None:
        super().__init__(f"MCP-Protocol-Version must be a revision that is served here: {', '.join(REVISIONS)}.")
        self.requested = requested


class DrainingError(TicketServerError):
    """The client would have to be served for longer than this instance lives."""

    kind = "draining"

    def __init__(self) -> None:
        super().__init__("This instance is stopping. Nothing was changed; try again in a moment.")


class HTTPError(NamedTuple):
    """The response to a request that failed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Row(NamedTuple):
    status: int
    headers: Mapping[str, str] = MappingProxyType({})
    about: Mapping[str, object] = MappingProxyType({})
    """What stands beside `kind` in the body, for programs."""
    code: int = INVALID_REQUEST


def _later(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": str(seconds)}


_TABLE: Final[Mapping[type[TicketServerError], Callable[[Any], _Row]]] = MappingProxyType({
    HTTPRefusalError: lambda error: _Row(error.status, error.headers),
    AuthenticationError: lambda error: _Row(error.status, _later(error.retry_after_s)),
    InsufficientScopeError: lambda error: _Row(403, about={"scope": error.scope.value}),
    RateLimitedError: lambda error: _Row(429, _later(error.retry_after_s), {"retryAfter": error.retry_after_s}),
    TooManyStreamsError: lambda _: _Row(429, _later(5)),
    CapReachedError: lambda error: _Row(503 if error.whole_instance else 429, _later(30)),
    UnsupportedVersionError: lambda error: _Row(
        400, about={"supported": REVISIONS, "requested": error.requested}, code=UNSUPPORTED_PROTOCOL_VERSION
    ),
    DrainingError: lambda _: _Row(503, _later(1)),
    BrokerUnavailableError: lambda _: _Row(503, _later(1)),
    TooBusyError: lambda _: _Row(503, _later(1)),
    SessionGoneError: lambda _: _Row(404),
    RequestIdReusedError: lambda _: _Row(400),
    MalformedMessageError: lambda error: _Row(400, code=error.code),
    TicketServerError: lambda _: _Row(500),
})  # fmt: skip


def http_error(error: TicketServerError, *, how_to_open: str = "") -> HTTPError:
    """Return the response to the request that raised `error`.

    Args:
        error: it.
        how_to_open: what a client does that has no session, as a sentence. There is one response for sessions that
            ended, expired, never were, or are another principal's.
    """
    row = next(_TABLE[kind](error) for kind in type(error).__mro__ if kind in _TABLE)
    text = f"There is no such session. {how_to_open}" if isinstance(error, SessionGoneError) else str(error)
    body = jsonrpc.refusal(error.kind, text, code=row.code, request_id=error.request_id, **row.about)
    return HTTPError(row.status, row.headers, body)


def nothing_here(detail: str) -> Callable[..., Awaitable[JSONResponse]]:
    """Return what responds to a request for a path that does not exist.

    Claude Code and mcp-remote take the 401 for a wrong key as a request to sign in, and show the response to their
    `POST /register` as the reason why they failed; so do clients of 2025-03-26, which look here for a sign-in.
    """

    async def respond(*_: object) -> JSONResponse:
        return JSONResponse({"detail": detail}, status_code=404)

    return respond
