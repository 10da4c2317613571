"""Which scope each request requires, and the middleware that hides and refuses what a caller may not use."""

import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from mcp.server import ServerRequestContext
from mcp.server.context import CallNext, HandlerResult
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST

from shared.identity import InsufficientScopeError, Principal, Scope, principal_of
from shared.localization import localized
from shared.mcp_prompts import catalog as prompts
from shared.mcp_resources import catalog as resources
from shared.mcp_tools.call_log import CallLog, ReadKind, call_of
from shared.mcp_tools.catalog import TOOLS

_TOOLS: Final = MappingProxyType({spec.name: spec for spec in TOOLS})
_SCOPES: Final = MappingProxyType({spec.name: spec.scope for spec in TOOLS})
_PROMPTS: Final = frozenset(spec.name for spec in prompts.PROMPTS)
_LONGEST_NAME: Final = 100


class _Listed(NamedTuple):
    """A list of what is offered: the name of its items, and the request that one of them allows."""

    items: str
    method: str
    argument: str
    key: str


_LISTS: Final = MappingProxyType({
    "tools/list": _Listed("tools", "tools/call", "name", "name"),
    "prompts/list": _Listed("prompts", "prompts/get", "name", "name"),
    "resources/templates/list": _Listed("resourceTemplates", "resources/read", "uri", "uriTemplate"),
})  # fmt: skip
_READS: Final = MappingProxyType({
    "prompts/get": ReadKind.PROMPT, "resources/read": ReadKind.RESOURCE, "completion/complete": ReadKind.COMPLETION,
})  # fmt: skip


def required_scope(method: str, params: Mapping[str, Any] | None) -> Scope | None:
    """Return the scope that a request requires; None if it requires none or names nothing of this server."""
    name = (params or {}).get("name")
    match method:
        case "tools/call":
            return _SCOPES.get(name) if isinstance(name, str) else None
        case "prompts/get":
            return prompts.SCOPE if isinstance(name, str) and name in _PROMPTS else None
        case "resources/read":
            return resources.SCOPE if resources.template_of((params or {}).get("uri")) is not None else None
        case "completion/complete":
            return Scope.TICKETS_READ
    return None


class Scopes:
    """Middleware: hides and refuses what the caller may not use. Over HTTP, a 403 comes first if possible."""

    def __init__(self, call_log: CallLog) -> None:
        self._call_log = call_log

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Serve one request. Raises: MCPError."""
        principal = principal_of(ctx.request)
        if principal is None:  # over STDIO, or the transport lists the tools
            return await call_next(ctx)
        scope = required_scope(ctx.method, ctx.params)
        if scope is not None and scope not in principal.scopes:
            await self._refuse(ctx, scope, may_ask=principal.may_ask_for(scope))
        result = await call_next(ctx)
        listed = _LISTS.get(ctx.method)
        return _seen_by(principal, listed, result) if listed is not None and isinstance(result, dict) else result

    async def _refuse(self, ctx: ServerRequestContext[Any, Any], scope: Scope, *, may_ask: bool) -> None:
        params, started = ctx.params or {}, time.monotonic()
        what, name = _refused(ctx.method, params)
        error = InsufficientScopeError(what, scope, may_ask=may_ask)
        call = call_of(ctx, params.get("arguments"))
        kind = _READS.get(ctx.method)
        if kind is None:
            await self._call_log.record(_TOOLS[name], call, error.kind, started=started, lacks=scope)
        else:
            await self._call_log.record_read(kind, name, call, error.kind, started=started, lacks=scope)
        raise MCPError(INVALID_REQUEST, str(error), {"kind": error.kind, "scope": scope.value})


def _refused(method: str, params: Mapping[str, Any]) -> tuple[str, str]:
    """Return what is refused, for a sentence and for the records, which hold no URI: a URI may be any text."""
    if method == "resources/read":
        template = resources.template_of(params.get("uri"))
        name = "" if template is None else template.uri_template
        return localized("The resource {name}", name=name), name
    if method == "completion/complete":
        return localized("Completion"), ""
    name = str(params["name"])[:_LONGEST_NAME]
    return (name if method == "tools/call" else localized("The prompt {name}", name=name)), name


def _seen_by(principal: Principal, listed: _Listed, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list without what `principal` may not use, nor ask for with another access token."""

    def may_use(item: Mapping[str, Any]) -> bool:
        scope = required_scope(listed.method, {listed.argument: item[listed.key]})
        return scope is None or scope in principal.scopes or principal.may_ask_for(scope)

    return {**result, listed.items: [item for item in result[listed.items] if may_use(item)]}
