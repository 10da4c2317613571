"""What a report counts, of all tickets and of each group. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.selection import TicketFilters


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """Numbers of some tickets."""

    count: int
    open: int
    overdue: int
    """Open ones due before today."""
    oldest: str | None = None
    """When the first open one was received: a minute in the zone shown."""
    average: float | None = None
    """How long ago open ones were received on average, in days with one decimal."""
    received: int | None = None
    completed: int | None = None
    """Received, and completed, in the period; None if that was not counted."""

    def without(self, others: "Sequence[Measures]") -> "Measures":
        """Return the numbers of the tickets that are in none of `others`, which are parts of these; without ages."""
        received, completed = self.received, self.completed
        return Measures(
            count=_rest(self.count, (one.count for one in others)),
            open=_rest(self.open, (one.open for one in others)),
            overdue=_rest(self.overdue, (one.overdue for one in others)),
            received=None if received is None else _rest(received, (one.received or 0 for one in others)),
            completed=None if completed is None else _rest(completed, (one.completed or 0 for one in others)),
        )


def _rest(total: int, parts: Iterable[int]) -> int:
    """Return what the parts leave; tickets may come in between two requests, so they can be more than the total."""
    return max(0, total - sum(parts))


class CountedGroup(NamedTuple):
    """The tickets of one group."""

    names: tuple[str, ...]
    """What they have in common, in the order of `groupBy`; a week goes by its Monday."""
    measures: Measures


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRequest:
    """What is counted: which tickets, by which groups, at which time, and the days of the period."""

    filters: TicketFilters
    group_by: tuple[str, ...]
    at: TicketTime
    first: str | None = None
    last: str | None = None

    @property
    def has_period(self) -> bool:
        """Whether tickets received and completed in a period are counted."""
        return self.first is not None or self.last is not None

    @property
    def period(self) -> str | None:
        """The period as in ISO 8601, `2026-11-23/2026-11-29`; an open end is `..`, as in ISO 8601-2."""
        return f"{self.first or '..'}/{self.last or '..'}" if self.has_period else None


class Counted(NamedTuple):
    """The numbers of a report. `groups` need not be all: the rest is `total` without them."""

    total: Measures
    groups: list[CountedGroup]
    notes: tuple[str, ...] = ()


class TicketCounter(Protocol):
    """Counts tickets: `StatisticsCounter` and `WindowCounter` pass tests/shared/tickets/reports/test_reports.py."""

    async def counted(self, request: ReportRequest) -> Counted:
        """Return the numbers. Raises: InvalidInputError: they cannot be counted; UpstreamError: the API failed."""
        ...


def in_order(groups: list[CountedGroup], group_by: tuple[str, ...]) -> list[CountedGroup]:
    """Return the groups, the largest first; weeks come first of all, the newest first."""
    groups = sorted(groups, key=lambda group: (-group.measures.count, group.names))
    if "week" in group_by:
        place = group_by.index("week")
        groups.sort(key=lambda group: group.names[place], reverse=True)
    return groups
