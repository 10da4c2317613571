"""Answers `get_ticket_list`: from checked arguments to one page, with what a reader must know about it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from shared.localization import localized
from shared.mcp_tools.inputs import TicketListInput
from shared.tickets.acting_user import ToolCall, callers_user, unknown_user
from shared.tickets.columns import DEFAULT_COLUMNS
from shared.tickets.listing.filters import ListRequest, selection_of
from shared.tickets.master_lists import STATUSES
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.namesakes import told_apart
from shared.tickets.references import check
from shared.tickets.results import TicketPage, row_cells
from shared.tickets.statuses import completed_ids
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import row_notes


class TicketList:
    """The lists of tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def page(self, query: TicketListInput, call: ToolCall) -> TicketPage:
        """Return one page.

        Raises:
            InvalidInputError: a reference does not exist, or arguments exclude each other.
            UpstreamError: the API failed.
        """
        checked = await check(self._system.master, query.given(), call)
        request = await list_request(self._system, checked.values, query.named, call)
        shown = tuple(dict.fromkeys(query.fields)) if query.fields else DEFAULT_COLUMNS
        selection = selection_of(request, shown)
        page = await self._system.pages.page(selection)
        read = parse_many(TicketRow, page.rows)
        distinct, apart = await told_apart(self._system.api, self._system.master, read, shown)
        rows = await self._system.calendar.dated_rows(distinct, shown)
        by_cursor = selection.cursor is not None
        return TicketPage(
            columns=shown,
            rows=row_cells(rows, shown),
            offset=None if by_cursor else selection.offset,
            returned=len(rows),
            has_more=page.has_more,
            total=page.total,
            more_than_total=None if page.total_is_exact else True,
            next_cursor=page.next_cursor if page.has_more else None,
            next_offset=selection.offset + selection.limit if page.has_more and not by_cursor else None,
            left_in=None if request.wants_completed else _left_in(rows),
            may_repeat=True if selection.offset else None,
            notes=(*checked.notes, *page.notes, *apart, *row_notes(read)),
        )


async def list_request(
    system: TicketSystem, values: Mapping[str, Any], named: Collection[str], call: ToolCall
) -> ListRequest:
    """Return what a list is asked for; `values` and `named` are those of `ListRequest`.

    Raises:
        InvalidInputError: `mine` needs the caller's user, which is not known.
        UpstreamError: the API failed.
    """
    me = await callers_user(system.master, call) if values["mine"] else None
    if values["mine"] and me is None:
        raise unknown_user("mine", call, give=localized("give personInChargeId an id from get_users"))
    statuses = (await system.master.lists())[STATUSES] if "statusId" in values else ()
    return ListRequest(
        values=values,
        named=named,
        statuses=statuses,
        completed=completed_ids(statuses, system.completed),
        today=(await system.calendar.time()).today,
        me=me,
    )


def _left_in(rows: Sequence[TicketRow]) -> str | None:
    completed = sum(row.completed is True for row in rows)
    if not completed:
        return None
    if completed == 1:
        return localized("1 of these is completed; open: true leaves them out.")
    return localized("{count} of these are completed; open: true leaves them out.", count=completed)
