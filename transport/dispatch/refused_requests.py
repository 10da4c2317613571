"""Observes how long refused requests of MCP took, so that each request is observed once, whether it ran or not."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.counting import OTHER, Histogram
from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from transport.dispatch.context import Caller
from transport.dispatch.usage import revision_of
from transport.sessions.session import SessionRecord

_NO_PARAMS: Final[Mapping[str, Any]] = {}


class Spoken(NamedTuple):
    """How a request came, as far as that is known outside of its envelope: `SessionRecord` says it, too."""

    wire: str
    version: str | None = None


Count = Callable[[JSONRPCRequest, str, Principal], None]


class RefusedRequests:
    """What becomes of requests that never run, for metrics.

    Args:
        durations: takes their durations, as `RequestLog` gives it those of requests that run; None for nothing.
        count: counts a request by its outcome.
        is_tool: whether a tool of this name is known.
    """

    def __init__(self, durations: Histogram | None, *, count: Count, is_tool: Callable[[str], bool]) -> None:
        self._durations = durations
        self._count = count
        self._is_tool = is_tool

    def count(self, request: JSONRPCRequest, kind: str, caller: Caller, spoken: Spoken | SessionRecord) -> None:
        """Count a request whose response is a refusal, and which never runs."""
        self._count(request, kind, caller.principal)
        self.observe(request, kind, spoken, caller.received)

    def observe(
        self, request: JSONRPCRequest, error: str, spoken: Spoken | SessionRecord, received: float | None
    ) -> None:
        """Observe the duration of a request that never runs.

        Args:
            request: it.
            error: the kind or code of its refusal.
            spoken: how it came.
            received: when it was read, by `time.perf_counter`; None where that is not known.
        """
        if self._durations is None:
            return
        asked, params = request.method, request.params or _NO_PARAMS
        meta = params.get("_meta")
        version = (meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None) or spoken.version
        tool = ""
        if asked == "tools/call":
            name = params.get("name")
            tool = name if isinstance(name, str) and self._is_tool(name) else OTHER
        method = asked if asked in SPEC_CLIENT_METHODS else OTHER
        seconds = 0.0 if received is None else time.perf_counter() - received
        self._durations.observe(seconds, method, tool, revision_of(version or None), spoken.wire, error)
