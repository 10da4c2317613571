"""For each alert: series just below what fires it, series that fire it, and series that clear it.

Each case has three phases; `promtool` looks at the alert at the end of each, with the real windows.
Counters are given as increase per step,
gauges as values, None for no sample (a target that is gone).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

Phases = tuple[float | None, float | None, float | None]

OPERATION: Final = "mcp_server_operation_duration_seconds"
API: Final = "http_client_request_duration_seconds"
_AT: Final = 'instance="a",job="t"'


class Case(NamedTuple):
    """What an alert does over three phases."""

    alert: str
    steps: tuple[int, int, int]
    """Length of each phase."""
    counters: Mapping[str, Phases] = {}
    gauges: Mapping[str, Phases] = {}
    step: str = "1m"
    fires: tuple[bool, bool, bool] = (False, True, False)
    why: str = ""

    def __str__(self) -> str:
        return f"{self.alert}-{self.why}" if self.why else self.alert


def failing(good: float, bad: Phases) -> dict[str, Phases]:
    """Return operations of which `bad` per step fail by our fault."""
    return {
        f'{OPERATION}_count{{{_AT},error_type=""}}': (good, good, good),
        f'{OPERATION}_count{{{_AT},error_type="upstream_unavailable"}}': bad,
        f'{OPERATION}_count{{{_AT},error_type="not_found"}}': (good, good, good),  # the caller's own fault
    }


def slow(within: Phases, *, of: float = 1000) -> dict[str, Phases]:
    """Return tool calls of which `within` of `of` per step end within a second."""
    return {
        f'{OPERATION}_bucket{{{_AT},mcp_method_name="tools/call",le="1.0"}}': within,
        f'{OPERATION}_count{{{_AT},mcp_method_name="tools/call"}}': (of, of, of),
        f'{OPERATION}_bucket{{{_AT},mcp_method_name="ping",le="1.0"}}': (of, of, of),
        f'{OPERATION}_count{{{_AT},mcp_method_name="ping"}}': (of, of, of),
    }


def quantile(name: str, labels: str, below: float, above: float, at_most_below: Phases) -> dict[str, Phases]:
    """Return a histogram of which `at_most_below` of 100 per step are in the bucket `below`, all others in `above`."""
    return {
        f'{name}_bucket{{{_AT}{labels},le="{below}"}}': at_most_below,
        f'{name}_bucket{{{_AT}{labels},le="{above}"}}': (100, 100, 100),
        f'{name}_bucket{{{_AT}{labels},le="+Inf"}}': (100, 100, 100),
    }


CALL: Final = ',mcp_method_name="tools/call"'
SLOW_CALLS: Final = quantile(OPERATION, CALL, 1.0, 2.5, (96, 90, 96))


def waiting(share: Phases) -> dict[str, Phases]:
    """Return slow tool calls of 100 s per step, of which `share` seconds are spent in this server itself."""
    return {
        **SLOW_CALLS,
        f"{OPERATION}_sum{{{_AT}{CALL}}}": (100, 100, 100),
        f"ticket_server_own_duration_seconds_sum{{{_AT}}}": share,
    }


def limited(limit: str, counts: Phases) -> dict[str, Phases]:
    """Return 100 operations per step, beside which `counts` reach a limit."""
    return {
        f'{OPERATION}_count{{{_AT},error_type=""}}': (100, 100, 100),
        f'ticket_server_limits_reached_total{{{_AT},limit="{limit}"}}': counts,
    }


def revisions(bad_of_new: Phases, bad_of_old: Phases) -> tuple[dict[str, Phases], dict[str, Phases]]:
    """Return the counters and gauges of two revisions that serve 100 operations per step, some of which fail."""
    counters: dict[str, Phases] = {}
    gauges: dict[str, Phases] = {}
    for revision, bad in (("new", bad_of_new), ("old", bad_of_old)):
        good = tuple(None if one is None else 100 - one for one in bad)
        counters[f'{OPERATION}_count{{instance="{revision}",error_type=""}}'] = (good[0], good[1], good[2])
        if bad != (0, 0, 0):
            counters[f'{OPERATION}_count{{instance="{revision}",error_type="internal"}}'] = bad
        gauges[f'ticket_server_build_info{{instance="{revision}",revision="{revision}",version="1"}}'] = (1, 1, 1)
    return counters, gauges


def _restarts() -> tuple[Case, ...]:
    """Instances that each run for two minutes; three of them are a rollout, four a crash loop."""
    came_and_went = {
        f'process_start_time_seconds{{instance="{name}"}}': sequence
        for name, sequence in (
            ("stays", (1.0, 1.0, 1.0)),
            ("crash-1", (None, 2.0, None)),
            ("crash-2", (None, 3.0, None)),
            ("crash-3", (None, 4.0, None)),
        )
    }
    fourth: dict[str, Phases] = {'process_start_time_seconds{instance="crash-4"}': (None, 5.0, None)}
    return (
        Case("RestartsOften", (20, 2, 12), gauges={**came_and_went, **fourth}, fires=(False, False, True), why="gone"),
        Case("RestartsOften", (20, 2, 17), gauges={**came_and_went, **fourth}, fires=(False, False, False), why="past"),
        Case("RestartsOften", (20, 2, 5), gauges=came_and_went, fires=(False, False, False), why="three"),
        Case(
            "RestartsOften",
            (20, 4, 20),
            counters={'process_start_time_seconds{instance="fixed-address"}': (0, 1, 0)},
            why="one-address",
        ),
        Case(
            "RestartsOften",
            (20, 3, 20),
            counters={'process_start_time_seconds{instance="fixed-address"}': (0, 1, 0)},
            fires=(False, False, False),
            why="three-at-one-address",
        ),
    )


_WORSE: Final = revisions((2, 8, 0), (0, 1, 0))
_EQUAL: Final = revisions((5, 9, 9), (5, 9, 9))
CASES: Final[Sequence[Case]] = (
    Case("AvailabilityBurnsFast", (65, 65, 6), failing(500, (77, 79, 0))),
    Case("AvailabilityBurnsFast", (65, 3, 3), failing(500, (0, 100, 0)), fires=(False, False, False), why="short"),
    Case("AvailabilityBurnsFast", (65, 65, 65), failing(0.1, (0, 0.06, 0.09)), fires=(False, False, True), why="few"),
    Case("AvailabilityBurns", (370, 370, 32), failing(500, (30, 32, 0))),
    Case("AvailabilityBurns", (370, 6, 6), failing(500, (0, 300, 0)), fires=(False, False, False), why="short"),
    Case("AvailabilityBurnsSlowly", (450, 450, 38), failing(500, (4.9, 5.2, 0)), step="10m"),
    Case(
        "AvailabilityBurnsSlowly",
        (450, 2, 4),
        failing(500, (0, 300, 0)),
        step="10m",
        fires=(False, False, False),
        why="s",
    ),
    Case(
        "AvailabilityBurnsFast",
        (65, 65, 6),
        {
            f'{OPERATION}_count{{{_AT},error_type=""}}': (100, 100, 100),
            f'ticket_server_http_refusals_total{{{_AT},status="503",kind="unauthenticated"}}': (7, 9, 0),
            f'ticket_server_http_refusals_total{{{_AT},status="503",kind="broker_unavailable"}}': (
                50,
                50,
                50,
            ),  # operations, too
            f'ticket_server_http_refusals_total{{{_AT},status="401",kind="unauthenticated"}}': (50, 50, 50),
        },
        why="refused",
    ),
    Case("LatencyBurnsFast", (65, 65, 6), slow((281, 279, 1000))),
    Case("LatencyBurns", (370, 370, 32), slow((701, 699, 1000))),
    Case("LatencyBurnsSlowly", (450, 450, 38), slow((951, 949, 1000)), step="10m"),
    Case("AvailabilityBurnsFast", (65, 65, 6), failing(500, (0, 500, 0)), why="clears"),
    Case("AvailabilityBurns", (370, 65, 32), failing(500, (0, 500, 0)), why="clears"),
    Case("AvailabilityBurnsSlowly", (450, 38, 38), failing(500, (0, 500, 0)), step="10m", why="clears"),
    Case("LatencyBurnsFast", (65, 65, 6), slow((1000, 0, 1000)), why="clears"),
    Case("LatencyBurns", (370, 185, 32), slow((1000, 0, 1000)), why="clears"),
    Case("LatencyBurnsSlowly", (450, 38, 38), slow((1000, 0, 1000)), step="10m", why="clears"),
    Case("NoInstanceServes", (10, 3, 1), gauges={f"ticket_server_build_info{{{_AT}}}": (1, None, 1)}),
    Case(
        "NoInstanceServes",
        (10, 2, 1),
        gauges={f"ticket_server_build_info{{{_AT}}}": (1, None, 1)},
        fires=(False,) * 3,
        why="short",
    ),
    Case("BrokerUnreachable", (10, 3, 1), gauges={f"ticket_server_broker_up{{{_AT}}}": (1, 0, 1)}),
    Case(
        "BrokerUnreachable",
        (10, 10, 1),
        gauges={f"ticket_server_broker_up{{{_AT}}}": (None, None, None)},
        fires=(False,) * 3,
        why="none",
    ),
    Case(
        "TicketApiFails",
        (10, 10, 10),
        {
            f'{API}_count{{{_AT},error_type=""}}': (100, 100, 100),
            f'{API}_count{{{_AT},error_type="deadline"}}': (5, 6, 0),
            f'{API}_count{{{_AT},error_type="not_found"}}': (2, 2, 2),
        },
    ),
    Case("TicketApiSlow", (20, 20, 20), waiting((10, 10, 10)), why="p95"),
    Case("TicketApiSlow", (20, 20, 20), waiting((51, 51, 51)), fires=(False,) * 3, why="ours"),
    Case("OwnTimeSlow", (20, 20, 20), quantile("ticket_server_own_duration_seconds", "", 0.25, 0.5, (96, 90, 96))),
    Case(
        "SessionsNearLimit",
        (10, 10, 1),
        gauges={
            f"ticket_server_sessions{{{_AT}}}": (80, 81, 80),
            f"ticket_server_sessions_limit{{{_AT}}}": (100, 100, 100),
        },
    ),
    Case(
        "StreamsNearLimit",
        (10, 10, 1),
        gauges={
            f"ticket_server_streams{{{_AT}}}": (80, 81, 80),
            f"ticket_server_sessions_limit{{{_AT}}}": (100, 100, 100),
        },
    ),
    Case(
        "KeysRefused",
        (15, 15, 10),
        {
            f'ticket_server_http_refusals_total{{{_AT},status="401",kind="unauthenticated"}}': (15, 16, 16),
            f'ticket_server_http_refusals_total{{{_AT},status="429",kind="unauthenticated"}}': (14, 16, 10),
            f'ticket_server_http_refusals_total{{{_AT},status="503",kind="unauthenticated"}}': (50, 50, 50),
        },
    ),
    Case("RateLimitsReached", (30, 30, 20), limited("rate", (5, 6, 5))),
    Case("CallsQueue", (15, 15, 10), limited("queue", (1, 2, 0))),
    Case("CallsQueue", (15, 15, 10), limited("requests", (1, 2, 0)), why="requests"),
    Case("AuditEventsLost", (30, 1, 16), {f"ticket_server_audit_events_lost_total{{{_AT}}}": (0, 1, 0)}),
    Case(
        "WritesUnconfirmed",
        (30, 1, 16),
        {f'ticket_server_writes_unconfirmed_total{{{_AT},kind="not_stored"}}': (0, 1, 0)},
    ),
    Case(
        "WritesUnconfirmed",
        (30, 1, 16),
        gauges={f'ticket_server_writes_unconfirmed_total{{{_AT},kind="not_stored"}}': (None, 1, 1)},
        why="first",
    ),
    Case(
        "AuditEventsLost",
        (30, 1, 16),
        gauges={f"ticket_server_audit_events_lost_total{{{_AT}}}": (None, 1, 1)},
        why="first",
    ),
    Case(
        "StreamsEndBadly",
        (30, 25, 20),
        {
            f'ticket_server_streams_ended_total{{{_AT},wire="sse",reason="rotated"}}': (80, 80, 80),
            f'ticket_server_streams_ended_total{{{_AT},wire="sse",reason="too_slow"}}': (19, 30, 0),
        },
    ),
    *_restarts(),
    Case("RevisionWorse", (15, 15, 10), _WORSE[0], _WORSE[1]),
    Case("RevisionWorse", (15, 15, 10), _EQUAL[0], _EQUAL[1], fires=(False, False, False), why="equal"),
)


def series(case: Case) -> list[dict[str, str]]:
    """Return the input series of `promtool test rules`."""
    counters = [{"series": name, "values": _counter(phases, case.steps)} for name, phases in case.counters.items()]
    gauges = [{"series": name, "values": _gauge(phases, case.steps)} for name, phases in case.gauges.items()]
    return counters + gauges


def _counter(phases: Phases, steps: Sequence[int]) -> str:
    total, parts = 0.0, []
    for increase, count in zip(phases, steps, strict=True):
        assert increase is not None
        parts.append(f"{total + increase:g}+{increase:g}x{count - 1}")
        total += increase * count
    return " ".join(parts)


def _gauge(phases: Phases, steps: Sequence[int]) -> str:
    return " ".join(
        " ".join(["stale"] * count) if value is None else f"{value:g}x{count - 1}"
        for value, count in zip(phases, steps, strict=True)
    )
