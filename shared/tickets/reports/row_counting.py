"""Counts the rows of lists of tickets. Pure."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.reports.measures import CountedGroup, Measures, ReportRequest
from shared.tickets.sorting import Row

_NAME_OF: Final[Mapping[str, str]] = MappingProxyType({
    "status": "statusName",
    "category": "categoryName",
    "person": "personInChargeName",
    "account": "accountName",
    "channel": "requestChannelName",
})  # fmt: skip
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class RowCounting:
    """Counts rows. `completed` are the names of the statuses that mean it, `channels` those of single tickets."""

    request: ReportRequest
    completed: Collection[str]
    channels: Mapping[str, str]

    def groups(self, parts: Sequence[Sequence[Row] | None]) -> list[CountedGroup]:
        """Return all groups of tickets, in any order; `parts` are the arguments of `measures`."""
        grouped = [None if rows is None else self._by_names(rows) for rows in parts]
        names = dict.fromkeys(one for part in grouped if part is not None for one in part)
        return [
            CountedGroup(one, self.measures(*(None if part is None else part.get(one, ()) for part in grouped)))
            for one in names
        ]

    def _by_names(self, rows: Sequence[Row]) -> Mapping[tuple[str, ...], Sequence[Row]]:
        groups: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            groups[tuple(self._name(row, by) for by in self.request.group_by)].append(row)
        return groups

    def _name(self, row: Row, by: str) -> str:
        if by == "week":
            return self._monday(row)
        name = self.channels.get(row["ticketId"]) if by == "channel" else row.get(_NAME_OF[by])
        return str(name or "") or localized("(none)")

    def _monday(self, row: Row) -> str:
        received = _time_of(row, self.request.at)
        if received is None:
            return localized("(none)")
        return str(received.date() - timedelta(days=received.weekday()))

    def measures(
        self,
        rows: Sequence[Row] | None,
        received: Sequence[Row] | None = None,
        completed: Sequence[Row] | None = None,
    ) -> Measures:
        """Return the numbers of `rows`, as lists count open and overdue ones, and how many the other two are."""
        rows = rows or ()
        today = str(self.request.at.today)
        now = self.request.at.now.replace(tzinfo=None, second=0, microsecond=0)
        open_ = [row for row in rows if not self._is_completed(row)]
        times = [time for row in open_ if (time := _time_of(row, self.request.at)) is not None]
        ages = sum((now - time for time in times), timedelta())
        return Measures(
            count=len(rows),
            open=len(open_),
            overdue=sum(_is_before(row.get("scheduledCompletionDate"), today) for row in open_),
            oldest=min(times).isoformat(" ", "minutes") if times else None,
            average=round(ages / len(times) / _DAY, 1) if times else None,
            received=None if received is None else len(received),
            completed=None if completed is None else sum(map(self._is_completed, completed)),
        )

    def _is_completed(self, row: Row) -> bool:
        flag = row.get("completed")
        return flag if isinstance(flag, bool) else row.get("statusName") in self.completed


def _time_of(row: Row, at: TicketTime) -> datetime | None:
    """Return when a ticket was received, on the clock of the zone shown; None if that cannot be read."""
    received = row.get("receptionDateTime")
    try:
        return datetime.fromisoformat(at.shown_minute(received)) if isinstance(received, str) else None
    except ValueError:
        return None


def _is_before(day: object, today: str) -> bool:
    """Return whether a day, `YYYY-MM-DD` first, is before `today`."""
    try:
        return isinstance(day, str) and str(date.fromisoformat(day[:10])) < today
    except ValueError:
        return False
