"""Computes the filters that a ticket API does not have, over the rows of one window.

Rows show names, so a status or category is known by its name; where several have one name, or none has it any more,
the ticket itself says which it is. Completion dates are found by binary search, changes in the history of each ticket.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import CATEGORIES, STATUSES, ItemT
from shared.tickets.paging.completion_order import CompletionOrder
from shared.tickets.paging.list_query import COMPLETION, RECEPTION
from shared.tickets.paging.single_tickets import SingleTickets, in_time, moment_of
from shared.tickets.selection import TicketFilters
from shared.tickets.sorting import Row

MOST_READ: Final = 100
"""Tickets that are read one by one for one filter."""
_LEFT_OUT: Final = MappingProxyType({
    "status": "Left out: {count:,} more tickets whose status is not in the master data.",
    "category": "Left out: {count:,} more tickets whose category is not in the master data.",
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """The filters of one list that are computed here, at the time of a call."""

    filters: TicketFilters
    master: MasterData
    at: TicketTime

    @property
    def names(self) -> tuple[str, ...]:
        """What is filtered by here, in words."""
        wanted, several = self.filters, len(self.filters.status_ids) > 1
        named = {
            localized("several statuses"): several,
            localized("category"): wanted.category_id,
            localized("date of reception"): wanted.received_from or wanted.received_to,
            localized("date of completion"): wanted.completed_from or wanted.completed_to,
            localized("date of change"): wanted.updated_since,
        }
        return tuple(name for name, is_given in named.items() if is_given)

    async def rows(self, rows: Sequence[Row], tickets: SingleTickets) -> tuple[Sequence[Row], tuple[str, ...]]:
        """Return the rows that pass all filters, in the same order, and notes on those that could not be decided.

        Args:
            rows: if completion dates are filtered, in the API's order by completion date.
            tickets: reads single tickets.

        Raises:
            InvalidInputError: too many tickets would have to be read, or reading them took too long.
            UpstreamError: the API failed.
        """
        wanted = self.filters
        notes: list[str] = []
        rows = [row for row in rows if self._was_received(row)]
        try:
            with in_time():
                if len(wanted.status_ids) > 1:
                    rows, unread = await self._of_ids(rows, "status", wanted.status_ids, tickets)
                    notes += unread
                if wanted.category_id is not None:
                    rows, unread = await self._of_ids(rows, "category", (wanted.category_id,), tickets)
                    notes += unread
                if wanted.completed_from or wanted.completed_to:
                    order = CompletionOrder(tickets, rows)
                    rows = await order.between(wanted.completed_from, wanted.completed_to)
                if wanted.updated_since is not None:
                    rows = await self._changed_since(rows, wanted.updated_since, tickets)
        except TimeoutError:
            raise _cannot(localized("the tickets could not all be read in time"), self.names) from None
        return rows, tuple(notes)

    async def ends_in(self, row: Row, tickets: SingleTickets, fetched_by: str) -> bool:
        """Return whether no ticket passes that comes after `row`, in the API's order: the latest date first."""
        wanted = self.filters
        if fetched_by == RECEPTION:
            return (day := self._reception_day(row)) is not None and day < (wanted.received_from or "")
        if fetched_by != COMPLETION or wanted.completed_from is None:
            return False
        date = await CompletionOrder(tickets, (row,)).date(row)
        return date is not None and date < wanted.completed_from

    def _was_received(self, row: Row) -> bool:
        first, last = self.filters.received_from, self.filters.received_to
        if first is None and last is None:
            return True
        day = self._reception_day(row)
        return day is not None and (first is None or day >= first) and (last is None or day <= last)

    def _reception_day(self, row: Row) -> str | None:
        received = row.get("receptionDateTime")
        return self.at.shown_minute(received)[:10] if isinstance(received, str) and received else None

    async def _of_ids(
        self, rows: Sequence[Row], what: str, wanted: Sequence[str], tickets: SingleTickets
    ) -> tuple[Sequence[Row], list[str]]:
        """Return the rows whose status or category is one of `wanted`, and a note on rows that were not decided."""
        lists = await self.master.lists()
        known = _ids_by_name(lists[STATUSES]) if what == "status" else _ids_by_name(lists[CATEGORIES])
        decided = {row["ticketId"]: _decided(known.get(str(row.get(f"{what}Name"))), wanted) for row in rows}
        unclear = [ticket_id for ticket_id, is_wanted in decided.items() if is_wanted is None]
        facts = await tickets.facts(unclear[:MOST_READ])
        decided |= {one: facts[one].get(f"{what}Id") in wanted for one in unclear[:MOST_READ]}
        unread = len(unclear) - MOST_READ
        notes = [localized(_LEFT_OUT[what], count=unread)] if unread > 0 else []
        return [row for row in rows if decided[row["ticketId"]]], notes

    async def _changed_since(self, rows: Sequence[Row], since: str, tickets: SingleTickets) -> Sequence[Row]:
        moment = datetime.fromisoformat(since)
        early = {row["ticketId"] for row in rows if not self._is_since(row, moment)}
        if len(early) > MOST_READ:
            reason = localized(
                "this ticket API shows changes only in the history of each ticket; at most {most} can be read, and "
                "here it would be {count:,} or more",
                most=MOST_READ,
                count=len(early),
            )
            raise _cannot(reason, (localized("date of change"),))
        changed = await tickets.changed(early)
        return [
            row
            for row in rows
            if row["ticketId"] not in early or ((last := changed[row["ticketId"]]) is not None and last >= moment)
        ]

    def _is_since(self, row: Row, moment: datetime) -> bool:
        """Return whether a ticket was received at a moment or later, and so has changed since, too."""
        received = moment_of(row.get("receptionDateTime"), self.at.api_zone or self.at.zone)
        return received is not None and received >= moment


def _ids_by_name(items: Sequence[ItemT]) -> Mapping[str, set[str]]:
    ids: defaultdict[str, set[str]] = defaultdict(set)
    for item in items:
        ids[item.name].add(item.id)
    return ids


def _decided(ids: Collection[str] | None, wanted: Sequence[str]) -> bool | None:
    """Return whether all, or none, of the ids that a name may stand for are wanted; None if that is not known."""
    are_wanted = {one in wanted for one in ids or ()}
    return are_wanted.pop() if len(are_wanted) == 1 else None


def _cannot(reason: str, names: Sequence[str]) -> InvalidInputError:
    text = localized(
        "This list cannot be filtered by {names}: {reason}. Narrow it by person, account, one status, due date or "
        "showCompleted=false",
        names=localized(" and ").join(names),
        reason=reason,
    )
    return InvalidInputError.of([Problem("", text)])
