"""Which tickets a call means, and the change of each: from its arguments to one list."""

from dataclasses import dataclass
from typing import Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.mcp_tools.inputs import TicketChange, TicketListInput, UpdateTicketsInput
from shared.mcp_tools.inputs.bulk import MAX_TICKETS
from shared.tickets.acting_user import ToolCall
from shared.tickets.listing.ticket_list import TicketList

ALL_ALIKE: Final = "change"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One ticket as it was named, and its change; `place` is where the change stands in the arguments."""

    ticket_id: str
    change: TicketChange
    place: str = ALL_ALIKE


async def wanted_by(
    given: UpdateTicketsInput, tickets: TicketList, call: ToolCall
) -> tuple[list[Wanted], tuple[str, ...]]:
    """Return what a call means, and notes on how `where` was read.

    Args:
        given: its arguments.
        tickets: the lists of the ticket API.
        call: the call.

    Raises:
        InvalidInputError: no ticket fits `where`, or too many do.
        UpstreamError: the API failed.
    """
    if given.changes:
        return [Wanted(one.ticket_id, one, f"changes.{place}") for place, one in enumerate(given.changes)], ()
    if given.change is None:
        raise AssertionError("unreachable: the arguments have changes or a change")
    if given.where is None:
        return [Wanted(one, given.change) for one in dict.fromkeys(given.ticket_ids or ())], ()
    found, notes = await _found(given.where, tickets, call, is_confirmed=given.confirm is not None)
    return [Wanted(one, given.change) for one in found], notes


def name_the_tickets() -> str:
    """Say how a call with `where` is continued, after a part of it was done and `where` finds other tickets."""
    return localized("To go on with a call of which a part was done, give its ticketIds in place of where.")


async def _found(
    where: TicketListInput, tickets: TicketList, call: ToolCall, *, is_confirmed: bool
) -> tuple[list[str], tuple[str, ...]]:
    has_limit = "limit" in where.named and where.limit <= MAX_TICKETS
    limit = where.limit if has_limit else MAX_TICKETS
    page = await tickets.page(where.model_copy(update={"limit": limit, "fields": ["ticketId"]}), call)
    if not page.rows:
        said = [localized("{text}.", text=localized("no ticket fits it")), *page.notes]
        if is_confirmed:
            said.append(name_the_tickets())
        raise InvalidInputError.of([Problem("where", localized(" ").join(said).rstrip(".。"))])
    if page.has_more and not has_limit:
        found = f"{page.total or MAX_TICKETS:,}"
        if page.total is None or page.more_than_total:
            found = localized("more than {most}", most=found)
        text = localized(
            "{found} tickets fit it, and one call changes at most {most}; narrow it, or give limit",
            found=found,
            most=MAX_TICKETS,
        )
        raise InvalidInputError.of([Problem("where", text)])
    notes = (*page.notes, *filter(None, [page.left_in]))
    return [str(row[0]) for row in page.rows], notes
