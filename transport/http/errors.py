"""What clients are told when they are refused, in the same words on every wire. Pure."""

from mcp_types import INTERNAL_ERROR, JSONRPCRequest, RequestId

from shared.errors import Effect, TicketServerError
from shared.identity import InsufficientScopeError, Principal
from transport import jsonrpc
from transport.http.request_checks import HTTPRefusalError
from transport.rate_limit import RateLimitedError
from transport.sessions.broker import BrokerUnavailableError, CapReachedError


def unknown_session(how_to_open: str) -> HTTPRefusalError:
    """Return the one answer for sessions that ended, expired, never were, or are another principal's."""
    return HTTPRefusalError(404, "unknown_session", f"There is no such session. {how_to_open}")


def draining() -> HTTPRefusalError:
    """Return the answer to whoever would have to be served for longer than this instance lives."""
    text = "This instance is stopping. Nothing was done; try again in a moment."
    return HTTPRefusalError(503, "draining", text, headers={"retry-after": "1"})


def unavailable(error: BrokerUnavailableError) -> HTTPRefusalError:
    """Return the answer while sessions cannot be reached."""
    return HTTPRefusalError(503, error.kind, str(error), headers={"retry-after": "1"})


def cap_reached(error: CapReachedError) -> HTTPRefusalError:
    """Return the answer to whoever would open one session too many."""
    status = 503 if error.whole_instance else 429
    return HTTPRefusalError(status, error.kind, str(error), headers={"retry-after": "30"})


def too_many_streams(error: TicketServerError, request_id: RequestId | None = None) -> HTTPRefusalError:
    """Return the answer to whoever would open one stream too many."""
    return HTTPRefusalError(429, error.kind, str(error), headers={"retry-after": "5"}, request_id=request_id)


def rate_limited(error: RateLimitedError, request_id: RequestId | None = None) -> HTTPRefusalError:
    """Return the answer to a request that came too soon: one of no session, or one that nobody looked into."""
    wait_s = error.retry_after_s
    headers, about = {"retry-after": str(wait_s)}, {"retryAfter": wait_s}
    return HTTPRefusalError(429, error.kind, str(error), headers=headers, request_id=request_id, about=about)


def insufficient_scope(error: InsufficientScopeError, request_id: RequestId, principal: Principal) -> HTTPRefusalError:
    """Return the answer to a request for which its principal lacks a scope.

    The challenge is for who can ask an authorization server for more. It would send anybody else looking for one that
    is not there (MCP authorization, 2026-07-28).
    """
    challenge = f'Bearer error="insufficient_scope", scope="{error.scope.value}"'
    headers = {"www-authenticate": challenge} if principal.proof == "oauth" else None
    about = {"scope": error.scope.value}
    return HTTPRefusalError(403, error.kind, str(error), headers=headers, request_id=request_id, about=about)


def in_session(error: RateLimitedError | InsufficientScopeError, request: JSONRPCRequest, *, is_modern: bool) -> bytes:
    """Return the one answer to a request of a session that is recorded, but not run."""
    if isinstance(error, InsufficientScopeError):
        return jsonrpc.refusal(error.kind, str(error), request_id=request.id, scope=error.scope.value)
    if request.method != "tools/call":
        return jsonrpc.refusal(error.kind, str(error), request_id=request.id, retryAfter=error.retry_after_s)
    wait_s = error.retry_after_s
    said = {"kind": error.kind, "effect": Effect.NOTHING_CHANGED.value, "message": str(error), "retryAfter": wait_s}
    return jsonrpc.failed_call(request.id, str(error), said, is_modern=is_modern)


def busy(request_id: RequestId, *, is_stopping: bool) -> bytes:
    """Return the one answer to a request of a session for which there is no room."""
    text = "Too many calls of this session are running. Nothing was changed; wait for some of them."
    if is_stopping:
        text = "The server is stopping. Nothing was changed; ask again in a moment."
    return jsonrpc.refusal("busy", text, code=INTERNAL_ERROR, request_id=request_id)
