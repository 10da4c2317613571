"""Reads what changed from the histories of tickets, for a ticket API without a list of changes.

Its lists do not show when a ticket last changed, so each history is read, of at most `MOST_READ` tickets: open ones
first, the newest first. A cursor names the moment and the id of the last entry.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Final, NamedTuple

from anyio import CapacityLimiter, move_on_after

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, Problem
from shared.localization import localized
from shared.tickets.activity.entries import ChangeRequest, FoundEntries, TicketEntry, leading, oldest_first
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.master_lists import STATUSES
from shared.tickets.models import HistoryEntry, parse_many
from shared.tickets.paging.cursor import not_a_cursor
from shared.tickets.paging.single_tickets import AT_ONCE, READ_S, moment_of
from shared.tickets.paging.window_pages import FoundRows
from shared.tickets.selection import TicketFilters
from shared.tickets.sorting import Row, id_key
from shared.tickets.statuses import completed_ids
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import left_out_notes

MOST_READ: Final = 200
"""Histories that are read for one page."""
_CURSOR: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ][\d:.]{5,15}\+00:00)/(.{1,50})", re.ASCII)


class Histories:
    """The changes of one ticket API, as its histories have them."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def read(self, request: ChangeRequest) -> FoundEntries:
        """Return a page.

        Raises:
            InvalidInputError: the cursor is not valid, or the API does not return the tickets.
            UpstreamError: the API failed.
        """
        after = None if request.cursor is None else _Place.of(request.cursor)
        filters = TicketFilters(person_in_charge_id=request.person_in_charge_id, account_id=request.account_id)
        found = await self._system.pages.whole(filters)
        if found is None:
            raise _no_window()
        rows = await self._open_first([*found.rows, *await self._older_open(found, filters)])
        reading = _Reading(self._system.api, request)
        await reading.read(rows[:MOST_READ])
        notes = [*found.notes, *left_out_notes(reading.left_out)]
        if reading.tickets < len(rows) or not found.are_all:
            notes.append(_only(reading.tickets, len(rows), are_all=found.are_all))
        placed = sorted((one for one in reading.placed if after is None or one[0] > after), key=itemgetter(0))
        kept, is_cut = leading(entry for _, entry in placed)
        cursor = placed[len(kept) - 1][0].cursor() if is_cut else None
        if request.cursor is not None or request.user_id is not None:
            return FoundEntries(kept, cursor, notes=tuple(notes))
        at = await self._system.calendar.time()
        received = [row for row in found.rows if _was_received(row, request, at)]
        return FoundEntries(kept, cursor, oldest_first(received), len(received), tuple(notes))

    async def _older_open(self, found: FoundRows, filters: TicketFilters) -> Sequence[Row]:
        """Return the open tickets that a window of all tickets does not reach."""
        if found.are_all:
            return ()
        known = {row["ticketId"] for row in found.rows}
        open_ = await self._system.pages.whole(replace(filters, completed=False))
        return [row for row in (open_.rows if open_ is not None else ()) if row["ticketId"] not in known]

    async def _open_first(self, rows: Sequence[Row]) -> list[Row]:
        """Return the rows in the order in which their histories are read."""
        statuses = (await self._system.master.lists())[STATUSES]
        ids = completed_ids(statuses, self._system.completed)
        completed = {one.name for one in statuses if one.id in ids}
        newest = sorted(rows, key=lambda row: (str(row.get("receptionDateTime")), id_key(row)), reverse=True)
        return sorted(newest, key=lambda row: row.get("statusName") in completed)


class _Reading:
    """The wanted entries of the histories that were read, each with its place."""

    def __init__(self, api: APIClient, request: ChangeRequest) -> None:
        self._api = api
        self._request = request
        self.placed: list[tuple[_Place, TicketEntry]] = []
        self.tickets = 0
        self.left_out = 0

    async def read(self, rows: Sequence[Row]) -> None:
        """Read the histories of these tickets, as many as can be read in `READ_S`. Raises: UpstreamError."""
        places = CapacityLimiter(AT_ONCE)

        async def keep(row: Row) -> None:
            async with places:
                await self._history(row)

        with move_on_after(READ_S):
            await gather_all(*map(keep, rows))

    async def _history(self, row: Row) -> None:
        ticket_id = str(row["ticketId"])
        try:
            response = await self._api.get(f"/tickets/{segment(ticket_id)}/history")
        except NotFoundError:  # deleted a moment ago
            response = []
        entries = parse_many(HistoryEntry, response)
        self.left_out += entries.left_out
        self.tickets += 1
        summary = str(row.get("summary") or "")
        for one in entries:
            moment = moment_of(one.timestamp)
            if moment is not None and self._request.is_wanted(one):
                self.placed.append((_Place.at(moment, one.id), TicketEntry(ticket_id, summary, one)))


class _Place(NamedTuple):
    """The place of an entry among those of all tickets."""

    moment: datetime
    number: list[tuple[int, int, str]]
    entry_id: str

    @classmethod
    def at(cls, moment: datetime, entry_id: str) -> "_Place":
        """Return the place of an entry."""
        return cls(moment, id_key({"ticketId": entry_id}), entry_id)

    @classmethod
    def of(cls, cursor: str) -> "_Place":
        """Return the place that a cursor names. Raises: InvalidInputError."""
        found = _CURSOR.fullmatch(cursor)
        moment = moment_of(found[1]) if found else None
        if found is None or moment is None:
            raise InvalidInputError.of([not_a_cursor()])
        return cls.at(moment, found[2])

    def cursor(self) -> str:
        """Return this place as text."""
        return f"{self.moment.astimezone(UTC).isoformat()}/{self.entry_id}"


def _was_received(row: Row, request: ChangeRequest, at: TicketTime) -> bool:
    moment = moment_of(row.get("receptionDateTime"), at.api_zone or at.zone)
    return moment is not None and request.is_in_time(moment)


def _only(read: int, tickets: int, *, are_all: bool) -> str:
    number = f"{tickets:,}"
    of = (
        localized("{number} tickets", number=number)
        if are_all
        else localized("more than {number} tickets", number=number)
    )
    return localized(
        "This ticket API shows changes only in the history of each ticket: {read} of {of} were read, open ones first, "
        "the newest first; others may have changed too. Narrow by personInChargeId, accountId or ticketId.",
        read=f"{read:,}",
        of=of,
    )


def _no_window() -> InvalidInputError:
    text = localized(
        "This ticket API does not return all matching tickets at once, so what changed in them cannot be read; narrow "
        "by personInChargeId or accountId, or give a ticketId"
    )
    return InvalidInputError.of([Problem("", text)])
