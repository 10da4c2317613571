"""Answers `get_ticket_changes`: what changed since a moment, one row per ticket, or each entry of one ticket."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.localization import localized
from shared.mcp_tools.inputs import TicketChangesInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.activity.change_feed import ChangeFeed
from shared.tickets.activity.entries import ChangeReader, ChangeRequest, FoundEntries
from shared.tickets.activity.histories import Histories
from shared.tickets.activity.net_changes import Names, most_active
from shared.tickets.activity.one_ticket import entries_of
from shared.tickets.activity.result import TicketChanges
from shared.tickets.activity.tables import ChangeTables
from shared.tickets.features import CHANGES
from shared.tickets.references import check
from shared.tickets.ticket_system import TicketSystem


class RecentChanges:
    """What changes in the tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def changes(self, query: TicketChangesInput, call: ToolCall) -> TicketChanges:
        """Return what changed.

        Raises:
            InvalidInputError: a reference does not exist, or the cursor is not valid.
            NotFoundError: there is no such ticket.
            UpstreamError: the API failed.
        """
        checked = await check(self._system.master, query.given(), call)
        request = _request(checked.values)
        names = Names(await self._system.master.lists())
        at = await self._system.calendar.time()
        shown = ChangeTables(names, at)
        if query.ticket_id is not None:
            found = await entries_of(self._system.api, query.ticket_id, request)
            table = shown.of_entries(found)
        else:
            reader: ChangeReader = Histories(self._system)
            if await self._system.features.has(CHANGES):
                reader = ChangeFeed(self._system.api, self._system.calendar)
            found = await reader.read(request)
            table = shown.of_tickets(found)
        return TicketChanges(
            columns=table.columns,
            rows=table.rows,
            since=at.shown(request.since),
            until=None if request.until is None else at.shown(request.until),
            entries=len(found.entries),
            changed_tickets=len({one.ticket_id for one in found.entries}),
            received_tickets=found.received_total,
            by=most_active([one.entry for one in found.entries], names) or None,
            next_cursor=found.next_cursor,
            notes=(*checked.notes, *found.notes, *_more_received(found)),
        )


def _request(values: Mapping[str, Any]) -> ChangeRequest:
    until = values.get("until")
    return ChangeRequest(
        since=datetime.fromisoformat(values["since"]),
        until=None if until is None else datetime.fromisoformat(until),
        user_id=values.get("userId"),
        person_in_charge_id=values.get("personInChargeId"),
        account_id=values.get("accountId"),
        cursor=values.get("cursor"),
    )


def _more_received(found: FoundEntries) -> tuple[str, ...]:
    """Say how many tickets were received that have no row."""
    more = (found.received_total or 0) - len(found.received)
    if more <= 0:
        return ()
    return (
        localized(
            "More tickets were received in this time: {number}. get_ticket_list with receivedFrom shows them.",
            number=f"{more:,}",
        ),
    )
