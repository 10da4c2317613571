"""What each layout of gcp-deploy costs a month, for a number of users; docs/cost.md. Pure."""

from dataclasses import dataclass
from typing import Final

from capacity.bill import MONTH_S, instance_based, request_based
from capacity.figures import Figures, Prices, Tier
from capacity.sizing import Size, size


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to deploy."""

    name: str
    is_sse: bool
    """Whether clients hold streams open while people work."""
    always: bool
    """Whether an instance of the MCP server is always there, billed by its life instead of by requests."""
    most: int
    """`maxScale` of the MCP server."""
    api_most: int
    """`maxScale` of the ticket API; 0 where it is another one, which is not ours to run."""
    api_kept: bool
    """Whether an instance of the ticket API is always there, instead of started by a call."""
    smallest_sql: int
    """The first size of Cloud SQL that it may have, in the order of `prices.toml`."""
    shares_sessions: bool
    """Whether it has a Valkey."""


LAYOUTS: Final = (
    Layout(
        "`pilot`, HTTP+SSE",
        is_sse=True, always=False, most=1, api_most=1, api_kept=True, smallest_sql=0, shares_sessions=False,
    ),
    Layout(
        "`pilot`, Streamable HTTP only, ticket API with `minScale: 0`",
        is_sse=False, always=False, most=1, api_most=1, api_kept=False, smallest_sql=0, shares_sessions=False,
    ),
    Layout(
        "`production`, HTTP+SSE",
        is_sse=True, always=True, most=10, api_most=4, api_kept=True, smallest_sql=1, shares_sessions=True,
    ),
    Layout(
        "`production`, Streamable HTTP only",
        is_sse=False, always=True, most=10, api_most=4, api_kept=True, smallest_sql=1, shares_sessions=True,
    ),
    Layout(
        "`existing-api`, Streamable HTTP only",
        is_sse=False, always=True, most=10, api_most=0, api_kept=False, smallest_sql=1, shares_sessions=True,
    ),
)  # fmt: skip
"""Those of gcp-deploy, the cheapest way to use the pilot among them."""


@dataclass(frozen=True, slots=True)
class MonthlyCost:
    """Dollars a month."""

    server: float
    ticket_api: float
    sql: float
    valkey: float

    @property
    def total(self) -> float:
        """The sum."""
        return self.server + self.ticket_api + self.sql + self.valkey


def cost(layout: Layout, users: int, known: Figures, costs: Prices) -> MonthlyCost | None:
    """Return what `layout` costs for `users`, without any free tier; `None` if it cannot serve them."""
    need = size(users, known, costs, is_sse=layout.is_sse)
    smallest = costs.sql[layout.smallest_sql]
    is_ours = layout.api_most > 0
    if need.instances > layout.most or (is_ours and need.api_instances > layout.api_most):
        return None
    if layout.smallest_sql == 0 and need.sql != smallest:
        return None
    tiers = [need.sql, smallest] if is_ours else [smallest]
    valkey = max(need.valkey, costs.valkey[1], key=_dollars) if layout.shares_sessions else costs.valkey[0]
    return MonthlyCost(
        server=_server(layout, need, known, costs),
        ticket_api=_ticket_api(layout, need, known, costs),
        sql=max(tiers, key=_dollars).month,
        valkey=valkey.month,
    )


def _dollars(tier: Tier) -> float:
    return tier.month


def _server(layout: Layout, need: Size, known: Figures, costs: Prices) -> float:
    gib, work_s = known.limits["instance_mib"] / 1024, known.workload["hours_a_month"] * 3600
    if layout.always:
        return instance_based(MONTH_S + (need.instances - 1) * work_s, gib, costs)
    calls = need.calls_a_second * work_s
    active = work_s if layout.is_sse else min(work_s, calls * known.workload["call_s"])
    return request_based(active, gib, costs, requests=calls * known.workload["requests_a_call"])


def _ticket_api(layout: Layout, need: Size, known: Figures, costs: Prices) -> float:
    if layout.api_most == 0:
        return 0.0
    gib, work_s = known.limits["instance_mib"] / 1024, known.workload["hours_a_month"] * 3600
    calls = need.calls_a_second * work_s
    active = min(need.api_instances * work_s, calls * known.workload["call_s"])
    idle = max(0.0, MONTH_S - active) if layout.api_kept else 0.0
    return request_based(active, gib, costs, idle_seconds=idle, requests=calls)
