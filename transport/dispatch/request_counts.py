"""Counts the requests of MCP that end here, and observes how long they took: each once, also those that are refused."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.telemetry import OTHER, BoundedLabels, Counter
from transport.dispatch.context import Caller
from transport.dispatch.usage import revision_of
from transport.sessions.session import SessionRecord

_NO_PARAMS: Final[Mapping[str, Any]] = {}


class Spoken(NamedTuple):
    """How a request came, as far as that is known outside of its envelope: `SessionRecord` says it, too."""

    wire: str
    version: str | None = None


class RequestCounts:
    """What becomes of requests, for counters.

    Args:
        counter: counts `mcp_requests` by method, outcome and tenant, and takes the durations of `operations`.
        tenants: organisations that counters tell apart.
        is_tool: whether a tool of this name is known.
    """

    def __init__(self, counter: Counter | None, *, tenants: BoundedLabels, is_tool: Callable[[str], bool]) -> None:
        self._requests = None if counter is None else counter.labelled("mcp_requests", "method", "outcome", "tenant")
        self._tenants = tenants
        self._is_tool = is_tool
        self.durations = None if counter is None else counter.histogram("operations")
        """Takes the duration of a request where it runs; see `RequestLog`."""

    def count(self, request: JSONRPCRequest, outcome: str, principal: Principal) -> None:
        """Count a request that has its response."""
        if self._requests is not None:
            asked = request.method
            method = asked if asked in SPEC_CLIENT_METHODS else OTHER
            tenant = self._tenants.label(principal.tenant.id)
            self._requests.add(method, outcome, tenant)

    def count_refused(self, request: JSONRPCRequest, kind: str, caller: Caller, spoken: Spoken | SessionRecord) -> None:
        """Count a request whose response is a refusal, and which never runs."""
        self.count(request, kind, caller.principal)
        self.observe_refused(request, kind, spoken, caller.received)

    def observe_refused(
        self, request: JSONRPCRequest, error: str, spoken: Spoken | SessionRecord, received: float | None
    ) -> None:
        """Observe the duration of a request that never runs.

        Args:
            request: it.
            error: the kind or code of its refusal.
            spoken: how it came.
            received: when it was read, by `time.perf_counter`; None where that is not known.
        """
        if self.durations is None:
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
        self.durations.observe(seconds, method, tool, revision_of(version or None), spoken.wire, error)
