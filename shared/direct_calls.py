"""Decides which calls go past the SDK's kernel: plain calls of tools that need nothing of it.

Plain is a call that the kernel would pass on as it is, which is decided by the shape of its parameters alone. Whatever
may be refused, or mean more, is left to the kernel: unknown parameters, names that are not ASCII, an envelope of
2026-07-28 that the kernel has not served yet.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeGuard

from mcp.server import ServerRequestContext

from shared.json_rpc import JSONRPCRequest
from shared.lru import LRUCache
from shared.wire_json import encode

KEPT_ENVELOPES: Final = 256
MAX_ENVELOPE_BYTES: Final = 2_000
"""A longer envelope is left to the kernel each time."""
_PLAIN: Final = frozenset({"name", "arguments", "_meta"})
_RESERVED: Final = "io.modelcontextprotocol/"
"""How the names in `_meta` begin that have a meaning, apart from `progressToken`."""


class DirectTools(Protocol):
    """The tools of a server that need nothing of the SDK's kernel: `shared.own_tools` has ours."""

    def has(self, name: object) -> bool:
        """Whether the tool `name` is one of them."""
        ...

    async def call(self, ctx: ServerRequestContext[Any, Any]) -> dict[str, Any]:
        """Return the result of a call as it is sent, but for `_meta`. Raises: MCPError."""
        ...


class DirectCalls:
    """Knows which calls may go directly to `tools`.

    Args:
        tools: of the server; None if every call needs the kernel.
    """

    def __init__(self, tools: DirectTools | None) -> None:
        self._tools = tools
        self._served: LRUCache[bytes, bool] = LRUCache(KEPT_ENVELOPES)

    def tools_for(self, request: JSONRPCRequest, *, is_modern: bool) -> DirectTools | None:
        """Return the tools that serve `request`; None if the kernel has to.

        Args:
            request: it.
            is_modern: whether it carries the envelope of 2026-07-28, which was classified already.
        """
        params = request.params
        if self._tools is None or request.method != "tools/call" or params is None or not params.keys() <= _PLAIN:
            return None
        if not self._tools.has(params.get("name")) or not _is_plain(params.get("arguments", {})):
            return None
        meta = params.get("_meta")
        passes = self._is_served(meta) if is_modern else "_meta" not in params or _is_empty(meta)
        return self._tools if passes else None

    def _is_served(self, meta: object) -> bool:
        """Whether the kernel served this envelope. Few requests have more beside it, so it is looked up as it is."""
        if self._served.get(encode(meta)) is not None:
            return True
        return _is_plain_meta(meta) and self._served.get(encode(_envelope(meta))) is not None

    def served(self, request: JSONRPCRequest) -> None:
        """Take note that the kernel served a request of 2026-07-28: it accepts its envelope."""
        envelope = encode(_envelope((request.params or {})["_meta"]))
        if self._tools is not None and request.method == "tools/call" and len(envelope) <= MAX_ENVELOPE_BYTES:
            self._served.put(envelope, True)


def _is_plain(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict) and all(map(str.isascii, value))


def _is_empty(meta: object) -> bool:
    """Whether nothing in the `_meta` of another revision concerns the kernel."""
    return _is_plain_meta(meta) and not _envelope(meta)


def _is_plain_meta(meta: object) -> TypeGuard[Mapping[str, Any]]:
    return _is_plain(meta) and _is_token(meta.get("progressToken", 0))


def _is_token(value: object) -> bool:
    return type(value) is int or (isinstance(value, str) and value.isascii())


def _envelope(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `_meta` holds under reserved names."""
    return {name: value for name, value in meta.items() if name.startswith(_RESERVED)}
