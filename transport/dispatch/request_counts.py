"""Counts the requests of MCP that end here, and observes how long they took: each once, also those that are refused."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from mcp_types import PROTOCOL_VERSION_META_KEY
from mcp_types.methods import SPEC_CLIENT_METHODS

from shared.identity import Principal
from shared.json_rpc import JSONRPCRequest
from shared.request_log import RequestLog
from shared.telemetry import OTHER, BoundedLabels, Counter
from transport.dispatch.context import Caller
from transport.dispatch.usage import revision_of

_NO_PARAMS: Final[Mapping[str, Any]] = {}


class RequestCounts:
    """What becomes of requests, for counters.

    Args:
        counter: counts `mcp_requests` by method, outcome and tenant, and takes the durations of `operations`.
        tenants: organisations that counters tell apart.
        is_tool: whether a tool of this name is known.
    """

    def __init__(self, counter: Counter | None, *, tenants: BoundedLabels, is_tool: Callable[[str], bool]) -> None:
        self._counter = counter
        self._tenants = tenants
        self._is_tool = is_tool
        self._durations = None if counter is None else counter.histogram("operations")

    def running(self, request: JSONRPCRequest, caller: Caller, wire: str, session: str = "") -> RequestLog:
        """Return the context in which a request runs; at its end it logs the request and observes its duration."""
        return RequestLog(
            *(request, caller.principal, caller.headers, wire, session),
            durations=self._durations,
            started=caller.received,
        )

    def count(self, request: JSONRPCRequest, outcome: str, principal: Principal) -> None:
        """Count a request that has its response."""
        if self._counter is not None:
            asked = request.method
            method = asked if asked in SPEC_CLIENT_METHODS else OTHER
            tenant = self._tenants.label(principal.tenant.id)
            self._counter.count("mcp_requests", method=method, outcome=outcome, tenant=tenant)

    def count_refused(self, request: JSONRPCRequest, kind: str, caller: Caller, wire: str, version: str | None) -> None:
        """Count a request of `version` whose response is a refusal, and which never runs."""
        self.count(request, kind, caller.principal)
        self.observe_refused(request, kind, wire, version, caller.received)

    def observe_refused(
        self, request: JSONRPCRequest, error: str, wire: str, version: str | None, received: float | None
    ) -> None:
        """Observe the duration of a request that never runs.

        Args:
            request: it.
            error: the kind or code of its refusal.
            wire: name of the wire.
            version: what is known of its revision outside of its envelope.
            received: when it was read, by `time.perf_counter`; None where that is not known.
        """
        if self._durations is None:
            return
        asked, params = request.method, request.params or _NO_PARAMS
        meta = params.get("_meta")
        version = (meta.get(PROTOCOL_VERSION_META_KEY) if isinstance(meta, dict) else None) or version
        tool = ""
        if asked == "tools/call":
            name = params.get("name")
            tool = name if isinstance(name, str) and self._is_tool(name) else OTHER
        method = asked if asked in SPEC_CLIENT_METHODS else OTHER
        seconds = 0.0 if received is None else time.perf_counter() - received
        self._durations.observe(seconds, method, tool, revision_of(version or None), wire, error)
