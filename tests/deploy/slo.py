"""The two service level objectives as Prometheus rules: `gcp-deploy/monitoring/slo.rules.yaml` is written from here.

The words of failures by our fault come from the classes of errors, so that a new error of the ticket API counts.
The windows and burn rates are those of the source; `python3 run.py renew` writes the file.
Source: Google, "The Site Reliability Workbook", chapter 5 (multiwindow, multi-burn-rate alerts).
"""

from collections.abc import Iterator
from textwrap import fill, indent
from typing import Final, NamedTuple

from auth.store.errors import StoreUnavailableError, UpstreamKeyError
from shared.errors import TicketServerError, UpstreamError
from shared.json_rpc import INTERNAL_ERROR
from shared.storage.database import DatabaseBusyError
from transport.dispatch.stateless import TooBusyError
from transport.sessions.broker import BrokerUnavailableError

OUR_FAULT_CLASSES: Final[tuple[type[TicketServerError], ...]] = (
    UpstreamError,
    DatabaseBusyError,
    StoreUnavailableError,
    UpstreamKeyError,
    BrokerUnavailableError,
    TooBusyError,
)
"""Errors that an operator can prevent, each with its subclasses; all others are the caller's, or the organisation's."""


def kinds(classes: tuple[type[TicketServerError], ...]) -> set[str]:
    """Return the kinds of `classes` and of their subclasses."""
    below = {kind for one in classes for kind in kinds(tuple(one.__subclasses__()))} if classes else set()
    return {one.kind for one in classes} | below


OUR_FAULT: Final = "|".join(sorted(kinds(OUR_FAULT_CLASSES) | {TicketServerError.kind, str(INTERNAL_ERROR)}))
"""Values of `error_type` that count against the first objective."""

OPERATIONS: Final = "mcp_server_operation_duration_seconds"
REFUSED: Final = 'ticket_server_http_refusals_total{status="503",kind="unauthenticated"}'
"""Requests whose key could not be checked: they are refused before they are read, so they are no operations."""
CALLS: Final = 'mcp_method_name="tools/call"'
WITHIN_A_SECOND: Final = 'le=~"1|1[.]0"'
"""The label is 1.0 on GET /metrics, and 1 where OpenTelemetry brought the histogram."""


class Burn(NamedTuple):
    """One speed at which the budget of 30 days is spent."""

    suffix: str
    rate: float
    """Times the speed that spends the budget in exactly 30 days."""
    long: str
    short: str
    severity: str
    spent: str


BURNS: Final = (
    Burn("BurnsFast", 14.4, "1h", "5m", "page", "2 % of the budget of 30 days in an hour"),
    Burn("Burns", 6, "6h", "30m", "page", "5 % of the budget of 30 days in six hours"),
    Burn("BurnsSlowly", 1, "3d", "6h", "ticket", "10 % of the budget of 30 days in three days"),
)
WINDOWS: Final = ("5m", "30m", "1h", "6h", "3d", "30d")
FEW: Final = 5
"""Bad events below which nothing pages: with little traffic, one failure would be a large share."""


class Objective(NamedTuple):
    """What share of the events may be bad, and how these are counted."""

    name: str
    record: str
    budget: float
    bad: str
    """PromQL with WINDOW: bad events per second; all events likewise."""
    all: str
    what: str
    look: str

    def ratio(self, window: str) -> str:
        """Return the PromQL of the share of bad events over `window`."""
        return f"({self.bad})\n  / ({self.all})\n".replace("WINDOW", window)

    def number(self, window: str) -> str:
        """Return the PromQL of the number of bad events over `window`."""
        return f"{self.bad}\n".replace("rate(", "increase(").replace("WINDOW", window)


OBJECTIVES: Final = (
    Objective(
        name="Availability",
        record="ticket_server:failed_operations:",
        budget=0.005,
        bad=f"""\
(sum(rate({OPERATIONS}_count{{error_type=~"{OUR_FAULT}"}}[WINDOW])) or vector(0))
  + (sum(rate({REFUSED}[WINDOW])) or vector(0))""",
        all=f"sum(rate({OPERATIONS}_count[WINDOW])) + (sum(rate({REFUSED}[WINDOW])) or vector(0))",
        what="of the MCP operations fail by our fault",
        look="Look at the errors by kind on the dashboard: they name the ticket API, a database, the session broker or "
        "this server. Then look at the alert of that part, and at the newest revision.",
    ),
    Objective(
        name="Latency",
        record="ticket_server:slow_calls:",
        budget=0.05,
        bad=f"""\
sum(rate({OPERATIONS}_count{{{CALLS}}}[WINDOW]))
  - sum(rate({OPERATIONS}_bucket{{{CALLS},{WITHIN_A_SECOND}}}[WINDOW]))""",
        all=f"sum(rate({OPERATIONS}_count{{{CALLS}}}[WINDOW]))",
        what="of the tool calls take more than a second",
        look="Look at the split of the latency on the dashboard: either the ticket API is slow (TicketApiSlow), or "
        "this server is (OwnTimeSlow, CallsQueue).",
    ),
)

_HEAD: Final = """\
# The two objectives of 30 days: 99.5 % of the MCP operations do not fail by our fault, and 95 % of the tool calls end
# within a second. Written by `python3 run.py renew` from tests/deploy/slo.py; do not edit.
groups:
  - name: slo
    interval: 30s
    rules:
"""
_RECORD: Final = """\
- record: {record}
  expr: |
{expr}"""
_ALERT: Final = """\
- alert: {name}
  expr: |
{expr}
  labels:
    severity: {severity}
  annotations:
    summary: "{summary}"
    description: >-
{description}
    runbook: docs/operations.md#alert-{anchor}
"""
_OF_REVISION: Final = "* on (instance) group_left (revision) max by (instance, revision) (ticket_server_build_info)"
_BY_REVISION: Final = "ticket_server:failed_operations:ratio_by_revision5m"
_REVISION_RATIO: Final = f"""\
(sum by (revision) (rate({OPERATIONS}_count{{error_type=~"{OUR_FAULT}"}}[5m]) {_OF_REVISION})
    or 0 * sum by (revision) (rate({OPERATIONS}_count[5m]) {_OF_REVISION}))
  / sum by (revision) (rate({OPERATIONS}_count[5m]) {_OF_REVISION})
"""
_REVISION_WORSE: Final = f"""\
  - name: revisions
    interval: 30s
    rules:
      - record: {_BY_REVISION}
        expr: |
{indent(_REVISION_RATIO, 10 * " ")}\
      - alert: RevisionWorse
        expr: max({_BY_REVISION}) > 0.02 + 2 * min({_BY_REVISION})
        for: 2m
        labels:
          severity: page
        annotations:
          summary: "{{{{ $value | humanizePercentage }}}} of the operations of one revision fail by our fault."
          description: >-
            Another revision fails less than half as often. Look at the errors by revision on the dashboard; if the new
            revision is the worse one, roll back.
          runbook: docs/operations.md#alert-revisionworse
"""


def slo_rules() -> str:
    """Return the text of the rule file."""
    return _HEAD + "".join(indent(one, 6 * " ") for one in (*_records(), *_alerts())) + _REVISION_WORSE


def _records() -> Iterator[str]:
    for objective in OBJECTIVES:
        for window in WINDOWS:
            expr = indent(objective.ratio(window), 4 * " ")
            yield _RECORD.format(record=f"{objective.record}ratio_rate{window}", expr=expr)
        for burn in BURNS:
            if burn.severity == "page":
                expr = indent(objective.number(burn.long), 4 * " ")
                yield _RECORD.format(record=f"{objective.record}increase{burn.long}", expr=expr)


def _alerts() -> Iterator[str]:
    for objective in OBJECTIVES:
        for burn in BURNS:
            threshold = f"{burn.rate:g} * {objective.budget:g}"
            conditions = [f"{objective.record}ratio_rate{window} > {threshold}" for window in (burn.long, burn.short)]
            if burn.severity == "page":
                conditions.append(f"{objective.record}increase{burn.long} >= {FEW}")
            name = f"{objective.name}{burn.suffix}"
            yield _ALERT.format(
                name=name,
                expr=indent("\n  and ".join(conditions), 4 * " "),
                severity=burn.severity,
                summary=f"{{{{ $value | humanizePercentage }}}} {objective.what}.",
                description=indent(fill(f"That spends {burn.spent}. {objective.look}", 108), 6 * " "),
                anchor=name.lower(),
            )
