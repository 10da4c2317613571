"""Counts tickets over the rows of a window, for a ticket API without statistics.

A window has at most 2,000 tickets. If more match, the open ones are counted alone, because of these most reports are
about, and they are few. Rows show names without ids, so groups of one name are counted together; the channel is read
ticket by ticket, of at most `MOST_READ`.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from shared.errors import InvalidInputError, Problem, UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.folding import name_key
from shared.tickets.master_lists import STATUSES
from shared.tickets.paging.narrowing import MOST_READ
from shared.tickets.paging.single_tickets import in_time
from shared.tickets.paging.window_pages import FoundRows
from shared.tickets.reports.measures import Counted, CountedGroup, Measures, ReportRequest, in_order
from shared.tickets.reports.shared_names import shared_names
from shared.tickets.selection import TicketFilters
from shared.tickets.sorting import Row
from shared.tickets.statuses import completed_ids
from shared.tickets.ticket_system import TicketSystem

_NAME_OF: Final[Mapping[str, str]] = MappingProxyType({
    "status": "statusName",
    "category": "categoryName",
    "person": "personInChargeName",
    "account": "accountName",
    "channel": "requestChannelName",
})  # fmt: skip
_MOST_NAMED: Final = 3
_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class _Tickets:
    """The rows that are counted, those received and those completed in the period, and what to know of them."""

    all: FoundRows
    received: FoundRows | None = None
    completed: FoundRows | None = None
    notes: tuple[str, ...] = ()


class WindowCounter:
    """The numbers that are counted here, of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def counted(self, request: ReportRequest) -> Counted:
        """Return the numbers.

        Raises:
            InvalidInputError: the API does not return the tickets, or not what they are grouped by.
            UpstreamError: the API failed.
        """
        tickets = await self._tickets(request)
        channels = await self._channels(tickets) if "channel" in request.group_by else {}
        statuses = (await self._system.master.lists())[STATUSES]
        completed = completed_ids(statuses, self._system.completed)
        counting = _Counting(request, frozenset(one.name for one in statuses if one.id in completed), channels)
        groups = counting.groups(tickets)
        together = await self._together(groups)
        return Counted(
            counting.measures(*_rows_of(tickets)),
            in_order(groups, request.group_by),
            (*tickets.notes, *together),
        )

    async def _tickets(self, request: ReportRequest) -> _Tickets:
        """Return the tickets, of the open ones alone if there are too many."""
        filters = request.filters
        found, notes = await self._whole(filters), list[str]()
        if not found.are_all:
            if filters.completed and not filters.status_ids:
                filters = replace(filters, completed=False)
                newest, found = len(found.rows), await self._whole(filters)
                notes.append(
                    localized(
                        "More than {number} tickets match, which this ticket API cannot count: of them, the open ones "
                        "alone are counted here.",
                        number=f"{newest:,}",
                    )
                )
            if not found.are_all:
                notes.append(
                    localized(
                        "Only the {number} received last were counted; narrow by person, account or status.",
                        number=f"{len(found.rows):,}",
                    )
                )
        if not request.has_period:
            return _Tickets(found, notes=(*notes, *found.notes))
        return await self._in_period(request, found, notes)

    async def _in_period(self, request: ReportRequest, found: FoundRows, notes: list[str]) -> _Tickets:
        first, last, filters = request.first, request.last, request.filters
        received = await self._whole(replace(filters, received_from=first, received_to=last))
        completed = None
        if filters.completed:
            completed = await self._whole(replace(filters, completed_from=first, completed_to=last))
        parts = (received, *([completed] if completed is not None else []))
        said = dict.fromkeys(note for one in (found, *parts) for note in one.notes)
        return _Tickets(found, received, completed, (*notes, *said))

    async def _whole(self, filters: TicketFilters) -> FoundRows:
        found = await self._system.pages.whole(filters)
        if found is None:
            raise InvalidInputError.of([
                Problem(
                    "",
                    localized(
                        "This ticket API does not return all matching tickets at once, so they cannot be counted; "
                        "narrow by personInChargeId, accountId or statusId"
                    ),
                )
            ])  # fmt: skip
        return found

    async def _channels(self, tickets: _Tickets) -> Mapping[str, str]:
        """Return the channel of each ticket."""
        ids = list(dict.fromkeys(row["ticketId"] for rows in _rows_of(tickets) for row in rows or ()))
        if len(ids) > MOST_READ:
            text = localized(
                "this ticket API shows the channel in single tickets only; at most {most} can be read, and {number} "
                "match. Narrow by personInChargeId, accountId or statusId, or group by something else",
                most=MOST_READ,
                number=f"{len(ids):,}",
            )
            raise InvalidInputError.of([Problem("groupBy", text)])
        try:
            with in_time():
                facts = await tickets.all.tickets.facts(ids)
        except TimeoutError:
            raise UpstreamUnavailableError(
                localized("The tickets could not all be read in time. Nothing was changed; try again in a moment.")
            ) from None
        return {one: facts[one].get("requestChannelName") or "" for one in ids}

    async def _together(self, groups: Sequence[CountedGroup]) -> tuple[str, ...]:
        """Return a note on groups of several people, accounts or the like with one name."""
        shared = await shared_names(self._system.master)
        names = dict.fromkeys(name for group in groups for name in group.names)
        several = [name for name in names if name_key(name) in shared][:_MOST_NAMED]
        if not several:
            return ()
        return (
            localized(
                "This ticket API lists names without ids, so all of one name are counted together: {names}.",
                names=", ".join(several),
            ),
        )


def _rows_of(tickets: _Tickets) -> tuple[Sequence[Row], Sequence[Row] | None, Sequence[Row] | None]:
    received, completed = tickets.received, tickets.completed
    return (
        tickets.all.rows,
        None if received is None else received.rows,
        None if completed is None else completed.rows,
    )


@dataclass(frozen=True, slots=True)
class _Counting:
    """Counts rows. `completed` are the names of the statuses that mean it, `channels` those of single tickets."""

    request: ReportRequest
    completed: Collection[str]
    channels: Mapping[str, str]

    def groups(self, tickets: _Tickets) -> list[CountedGroup]:
        """Return all groups, in any order."""
        parts = [None if rows is None else self._by_names(rows) for rows in _rows_of(tickets)]
        names = dict.fromkeys(one for part in parts if part is not None for one in part)
        return [
            CountedGroup(one, self.measures(*(None if part is None else part.get(one, ()) for part in parts)))
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
        """Return the numbers of these rows, as lists count open and overdue ones."""
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
