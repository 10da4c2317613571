"""Distinguishes people of one name in the rows of a list, which show names without ids.

Where the API's rows have no ids either, rows with a name that several users have are looked up in the tickets.
"""

from collections.abc import Collection, Sequence
from typing import Final

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import NotFoundError, UpstreamError
from shared.localization import localized
from shared.tickets.folding import name_key
from shared.tickets.master_data import MasterData
from shared.tickets.models import Ticket, TicketRow, parse_one

MOST_READ: Final = 20
"""Tickets that are read for one page."""
_UNREAD: Final = "Several people have one of these names: get_ticket_detail shows which of them a row means."


async def told_apart(
    api: APIClient, master: MasterData, rows: Sequence[TicketRow]
) -> tuple[Sequence[TicketRow], tuple[str, ...]]:
    """Return `rows` with the id behind each name that several users have; and a note if some could not be read."""
    try:
        shared = (await master.lists()).shared_names if rows else frozenset()
    except UpstreamError:  # a list needs no master data
        return rows, ()
    if not shared:
        return rows, ()
    names = {name for row in rows for name in (row.requestor_name, row.person_in_charge_name)}
    several = {name for name in names if name and name_key(name) in shared}
    if not several:
        return rows, ()
    meant = [row for row in rows if row.requestor_name in several or row.person_in_charge_name in several]
    by_id: dict[str, TicketRow | Ticket] = {
        row.ticket_id: row for row in meant if row.requestor_id and row.person_in_charge_id
    }
    unread = [row for row in meant if row.ticket_id not in by_id]
    try:
        tickets = await gather_all(*(_read(api, row.ticket_id) for row in unread[:MOST_READ]))
    except UpstreamError:
        tickets = []
    by_id |= {ticket.id: ticket for ticket in tickets if ticket is not None}
    shown = [_with_ids(row, by_id[row.ticket_id], several) if row.ticket_id in by_id else row for row in rows]
    return shown, () if all(row.ticket_id in by_id for row in meant) else (localized(_UNREAD),)


async def _read(api: APIClient, ticket_id: str) -> Ticket | None:
    try:
        return parse_one(Ticket, await api.get(f"/tickets/{segment(ticket_id)}"))
    except NotFoundError:  # deleted a moment ago
        return None


def _with_ids(row: TicketRow, ticket: TicketRow | Ticket, several: Collection[str | None]) -> TicketRow:
    """Return `row` with the ids of `ticket` behind the names that `several` people have."""
    ids = {"requestor_name": ticket.requestor_id, "person_in_charge_name": ticket.person_in_charge_id}
    names = {field: getattr(row, field) for field in ids}
    return row.model_copy(
        update={field: f"{name} ({ids[field]})" for field, name in names.items() if name in several and ids[field]}
    )
