"""What a known principal may ask for: which requests by its scopes, and how many by its rates."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from shared.errors import Effect
from shared.identity import InsufficientScopeError, Principal, PrincipalKey, Scope
from shared.json_rpc import JSONRPCRequest
from shared.lru import LRUCache
from shared.throttled_audit import ThrottledAuditTrail
from transport import jsonrpc
from transport.dispatch.context import Caller
from transport.dispatch.refusal_audit import record_refusal
from transport.dispatch.refusal_log import RefusalLog
from transport.rate_limit import Cost, MemoryBuckets, RateLimitedError, Rates, Wait

RequiredScope = Callable[[str, Mapping[str, Any] | None], Scope | None]
"""Returns the scope that a request needs, by its method and its parameters, which may be malformed."""
FREE: Final = frozenset({"ping", "initialize", "server/discover"})
"""Methods that cost nothing: a client that is refused one of them learns nothing from it, and takes the connection for
dead. A client that sends nothing else meets the limit of HTTP requests."""
KEPT_PRINCIPALS: Final = 10_000
"""Principals whose costs are remembered, the latest ones; making them anew is all that forgetting costs."""
_MAX_NAME: Final = 100


class _Costs(NamedTuple):
    """What one principal pays for each sort of request."""

    http: tuple[Cost, ...]
    read: tuple[Cost, ...]
    write: tuple[Cost, ...]


@dataclass(slots=True)
class AccessDecision:
    """What was decided about one request, before it is recorded."""

    writes: bool
    """Whether it may change something."""
    costs: tuple[Cost, ...]
    missing_scope: Scope | None
    """The scope that its caller lacks."""
    may_ask: bool = False
    """Whether another access token of its caller can have that scope. The client learns so from a 403 alone; one of
    HTTP+SSE that cannot ask would not survive it."""


class AccessPolicy:
    """Decides what requests cost and which are refused; what is refused is audited.

    Args:
        rates: how many requests; None for any number.
        required_scope: which scope a request needs; None allows every request to all.
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
        self._costs: LRUCache[PrincipalKey, _Costs] = LRUCache(KEPT_PRINCIPALS)
        self._latest: tuple[Principal, _Costs] | None = None
        """Who asked last: a request asks twice, and most often no other comes in between."""
        self._http_buckets = MemoryBuckets()
        self._required_scope = required_scope
        self._trail = trail if trail is not None else ThrottledAuditTrail(None)
        self.refusals = RefusalLog()
        """Writes the lines of what is refused."""

    def http_wait(self, principal: Principal) -> Wait | None:
        """Pay for an HTTP request, or return how long its principal has to wait, who sends more than calls need.

        Each instance counts for itself: what is saved is its own time.
        """
        if self._rates is None:
            return None
        return self._http_buckets.try_consume(self._costs_of(self._rates, principal).http)

    async def too_many(self, principal: Principal, wait: Wait, headers: Mapping[str, str]) -> RateLimitedError:
        """Return the error of an HTTP request that came too soon and is not read, and audit it."""
        error = RateLimitedError(wait)
        await self.audit(principal, error.kind, headers, detail=error.limit)
        return error

    def access(self, principal: Principal, request: JSONRPCRequest, *, writes: bool) -> AccessDecision:
        """Decide what a request costs, and whether its principal lacks a scope for it."""
        scope = None if self._required_scope is None else self._required_scope(request.method, request.params)
        costs: tuple[Cost, ...] = ()
        if self._rates is not None and request.method not in FREE:
            known = self._costs_of(self._rates, principal)
            costs = known.write if writes else known.read
        if scope is None or scope in principal.scopes:
            return AccessDecision(writes, costs, None)
        return AccessDecision(writes, costs, scope, principal.may_ask_for(scope))

    def _costs_of(self, rates: Rates, principal: Principal) -> _Costs:
        if self._latest is not None and self._latest[0] is principal:
            return self._latest[1]
        owner = principal.key
        known = self._costs.get(owner)
        if known is None:
            known = _Costs(rates.http_costs(owner), rates.costs(owner, writes=False), rates.costs(owner, writes=True))
            self._costs.put(owner, known)
        self._latest = principal, known
        return known

    async def scope_error(self, caller: Caller, request: JSONRPCRequest, scope: Scope) -> InsufficientScopeError:
        """Return the error of a request whose caller lacks `scope`, and audit it."""
        name = request.method
        if request.method == "tools/call":
            name = str((request.params or {}).get("name", ""))[:_MAX_NAME]
        error = InsufficientScopeError(name, scope, may_ask=caller.principal.may_ask_for(scope))
        error.request_id = request.id
        await self.audit(caller.principal, error.kind, caller.headers, request=request, detail=scope.value)
        return error

    async def rate_error(self, caller: Caller, request: JSONRPCRequest, wait: Wait) -> RateLimitedError:
        """Return the error of a request that came too soon, and audit it."""
        error = RateLimitedError(wait)
        error.request_id = request.id
        await self.audit(caller.principal, error.kind, caller.headers, request=request, detail=error.limit)
        return error

    async def audit(
        self,
        principal: Principal,
        kind: str,
        headers: Mapping[str, str],
        *,
        request: JSONRPCRequest | None = None,
        detail: str,
    ) -> None:
        """Record what was refused to a principal, or count it; see `record_refusal`."""
        await record_refusal(self._trail, principal, kind, headers, request=request, detail=detail)


def refusal_response(
    error: RateLimitedError | InsufficientScopeError, request: JSONRPCRequest, *, is_modern: bool
) -> bytes:
    """Return the response to a request of a session that is recorded, but not run."""
    if isinstance(error, InsufficientScopeError):
        return jsonrpc.refusal(error.kind, str(error), request_id=request.id, scope=error.scope.value)
    if request.method != "tools/call":
        return jsonrpc.refusal(error.kind, str(error), request_id=request.id, retryAfter=error.retry_after_s)
    wait_s = error.retry_after_s
    said = {"kind": error.kind, "effect": Effect.NOTHING_CHANGED.value, "message": str(error), "retryAfter": wait_s}
    return jsonrpc.failed_call(request.id, str(error), said, is_modern=is_modern)
