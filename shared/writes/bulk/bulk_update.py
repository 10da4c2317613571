"""Answers `update_tickets`: a preview without a token, and with it exactly what was previewed."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shared.localization import localized
from shared.mcp_tools.inputs import UpdateTicketsInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.listing.ticket_list import TicketList
from shared.tickets.ticket_system import TicketSystem
from shared.writes.bulk.carrying_out import CarryingOut, Ended
from shared.writes.bulk.planned import PlannedTicket, Planning
from shared.writes.bulk.reports import preview, report
from shared.writes.bulk.result import TicketState, TicketsUpdated
from shared.writes.bulk.token import Confirmed, confirmed_by, token_of
from shared.writes.bulk.wanted import name_the_tickets, wanted_by
from shared.writes.by_feature.expected import what_changed
from shared.writes.repeats import Repeats, write_of
from shared.writes.ticket_update import TicketUpdate

WINDOW_S: Final = 60.0
"""Seconds during which a confirmed call that has not ended, because its instance is gone, keeps others out."""


class BulkUpdate:
    """The changes of several tickets of one ticket API."""

    def __init__(self, system: TicketSystem, update: TicketUpdate, tickets: TicketList, repeats: Repeats) -> None:
        self._tickets = tickets
        self._planning = Planning(system, update)
        self._carrying_out = CarryingOut(system, update)
        self._repeats = repeats

    async def update(self, given: UpdateTicketsInput, call: ToolCall) -> TicketsUpdated:
        """Return what would change, or carry out what `confirm` is the token of, and return what became of it.

        If tickets have changed since the preview, nothing is written and there is a new preview; but where an earlier
        call with this token did a part, it is continued, and what has changed since is skipped.

        Raises:
            StillRunningError: a call with this token did not end in time.
        """
        wanted, notes = await wanted_by(given, self._tickets, call)
        changes = await self._planning.check(wanted, given.updated_by_id, call)
        if given.confirm is None:
            tickets = await self._planning.read(wanted, given.updated_by_id, call)
            return preview(tickets, changes, token_of(tickets, changes), notes=notes)
        write = write_of(call, {"tool": "update_tickets", "confirm": given.confirm}, key=None, window_s=WINDOW_S)
        async with self._repeats.alone(write) as renew:
            tickets = await self._planning.read(wanted, given.updated_by_id, call)
            confirmed = confirmed_by(given.confirm, tickets, changes)
            if refused := _refusal(confirmed, has_where=given.where is not None):
                return preview(tickets, changes, token_of(tickets, changes), notes=notes, refused=refused)
            run = await self._carrying_out.run(tickets, _settled(tickets, confirmed), call, renew)
        if run.stopped and given.where is not None:
            run = replace(run, stopped=localized(" ").join([run.stopped, name_the_tickets()]))
        return report(run, changes, notes=notes)


def _refusal(confirmed: Confirmed, *, has_where: bool) -> str:
    """Return why a token is not accepted, or an empty text; `has_where`: the tickets were found anew by `where`."""
    if not confirmed.fits:
        said = localized(
            "Nothing was changed: confirm is no token of these tickets, changes and acting user. This is a new preview."
        )
        return localized(" ").join([said, name_the_tickets()]) if has_where else said
    if not confirmed.changed or confirmed.done:
        return ""
    said = localized("; ").join(f"{ticket_id}: {what_changed(new)}" for ticket_id, new in confirmed.changed.items())
    return localized("Nothing was changed: since the preview there were other changes. {said}", said=said)


def _settled(tickets: Sequence[PlannedTicket], confirmed: Confirmed) -> dict[str, Ended]:
    """Return the end of each ticket to which nothing is written."""
    settled = {}
    for one in tickets:
        if one.ticket_id in confirmed.done:
            settled[one.ticket_id] = Ended(one, TicketState.DONE_BEFORE)
        elif one.ticket_id in confirmed.changed:
            said = what_changed(confirmed.changed[one.ticket_id])
            settled[one.ticket_id] = Ended(one, TicketState.SKIPPED, notes=(said,))
        elif one.state is not TicketState.WOULD_CHANGE:
            settled[one.ticket_id] = Ended(one, one.state, notes=(one.why,) if one.why else ())
    return settled
