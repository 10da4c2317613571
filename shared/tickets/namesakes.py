"""Distinguishes people of one name in the rows of a list, which show names without ids.

Where the API's rows have no ids either, rows with a name that several users have are looked up in the tickets.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
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
_PEOPLE: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "requestorName": ("requestor_name", "requestor_id"),
        "personInChargeName": ("person_in_charge_name", "person_in_charge_id"),
    }
)
"""By column: the fields of a row that have the name and the id."""
_UNREAD: Final = "Several people have one of these names: get_ticket_detail shows which of them a row means."


async def told_apart(
    api: APIClient, master: MasterData, rows: Sequence[TicketRow], shown: Collection[str]
) -> tuple[Sequence[TicketRow], tuple[str, ...]]:
    """Return `rows` with the id behind each name that several users have; and a note if some could not be read.

    Args:
        api: the ticket API.
        master: its master data.
        rows: those of a page.
        shown: the columns that are shown, by the API's names; names of others are left as they are.
    """
    people = [person for column, person in _PEOPLE.items() if column in shown]
    names = {getattr(row, name) for row in rows for name, _ in people}
    try:
        shared = (await master.lists()).shared_names if names else frozenset()
    except UpstreamError:  # a list needs no master data
        return rows, ()
    several = {name for name in names if name and name_key(name) in shared} if shared else set()
    if not several:
        return rows, ()
    meant = [row for row in rows if not several.isdisjoint([getattr(row, name) for name, _ in people])]
    by_id: dict[str, TicketRow | Ticket] = {
        row.ticket_id: row for row in meant if all(getattr(row, user_id) for _, user_id in people)
    }
    unread = [row for row in meant if row.ticket_id not in by_id]
    try:
        tickets = await gather_all(*(_read(api, row.ticket_id) for row in unread[:MOST_READ]))
    except UpstreamError:
        tickets = []
    by_id |= {ticket.id: ticket for ticket in tickets if ticket is not None}
    named = [_with_ids(row, by_id[row.ticket_id], several, people) if row.ticket_id in by_id else row for row in rows]
    return named, () if all(row.ticket_id in by_id for row in meant) else (localized(_UNREAD),)


async def _read(api: APIClient, ticket_id: str) -> Ticket | None:
    try:
        return parse_one(Ticket, await api.get(f"/tickets/{segment(ticket_id)}"))
    except NotFoundError:  # deleted a moment ago
        return None


def _with_ids(
    row: TicketRow, ticket: TicketRow | Ticket, several: Collection[str], people: Iterable[tuple[str, str]]
) -> TicketRow:
    """Return `row` with the ids of `ticket` behind the names of `people` that `several` of them have."""
    known = [(field, getattr(row, field), getattr(ticket, user_id)) for field, user_id in people]
    return row.model_copy(
        update={field: f"{name} ({user_id})" for field, name, user_id in known if user_id and name in several}
    )
