"""What a principal that is known may ask for: which requests by its scopes, and how many by its rates."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp_types import JSONRPCRequest

from shared.identity import InsufficientScopeError, Principal, Scope
from shared.throttled_audit import ThrottledAuditTrail
from transport.dispatch.context import Caller
from transport.dispatch.refusal_audit import record_refusal
from transport.rate_limit import Cost, RateLimitedError, Rates, Wait
from transport.sessions.memory_rate_limit import MemoryBuckets

RequiredScope = Callable[[str, Mapping[str, Any] | None], Scope | None]
"""Tells from the method and the parameters of a request, which may be malformed, which scope it needs."""
FREE: Final = frozenset({"ping", "initialize", "server/discover"})
"""Methods that cost nothing: who is refused them learns nothing, and takes the connection for dead. Who does nothing
but send them meets the limit of HTTP requests."""
_MAX_NAME: Final = 100


class AccessPolicy:
    """Refuses requests, and has it recorded.

    Args:
        rates: how many requests; None for any number.
        required_scope: which scope a request needs; None lets everybody ask for everything.
        trail: takes what is refused.
    """

    def __init__(
        self,
        *,
        rates: Rates | None = None,
        required_scope: RequiredScope | None = None,
        trail: ThrottledAuditTrail | None = None,
    ) -> None:
        self._rates = rates
        self._http_buckets = MemoryBuckets()
        self._required_scope = required_scope
        self._trail = trail if trail is not None else ThrottledAuditTrail(None)

    async def check_http_rate(self, principal: Principal, headers: Mapping[str, str]) -> None:
        """Pass an HTTP request, or refuse it before anybody reads it: to whoever sends many more than calls need.

        Each instance counts for itself: what is saved is its own time. Raises: RateLimitedError.
        """
        if self._rates is None:
            return
        wait = self._http_buckets.try_consume(self._rates.http_costs(principal.key))
        if wait is not None:
            error = RateLimitedError(wait)
            await record_refusal(self._trail, principal, error.kind, headers, detail=error.limit)
            raise error

    def costs(self, principal: Principal, request: JSONRPCRequest, *, writes: bool) -> tuple[Cost, ...]:
        """Return what a request costs."""
        if self._rates is None or request.method in FREE:
            return ()
        return self._rates.costs(principal.key, writes=writes)

    async def check_scope(self, caller: Caller, request: JSONRPCRequest) -> None:
        """Pass, or refuse a request for which the caller lacks a scope. Raises: InsufficientScopeError."""
        if self._required_scope is None:
            return
        scope = self._required_scope(request.method, request.params)
        if scope is None or scope in caller.principal.scopes:
            return
        name = request.method
        if request.method == "tools/call":
            name = str((request.params or {}).get("name", ""))[:_MAX_NAME]
        error = InsufficientScopeError(name, scope)
        await self._refused(caller, request, error.kind, scope.value)
        raise error

    async def check_rate(self, caller: Caller, request: JSONRPCRequest, wait: Wait | None) -> None:
        """Pass what was paid for. Raises: RateLimitedError."""
        if wait is None:
            return
        error = RateLimitedError(wait)
        await self._refused(caller, request, error.kind, error.limit)
        raise error

    async def _refused(self, caller: Caller, request: JSONRPCRequest, kind: str, detail: str) -> None:
        await record_refusal(self._trail, caller.principal, kind, caller.headers, request=request, detail=detail)
