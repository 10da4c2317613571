"""Reading one ticket whole."""

from shared.api_client import APIClient, segment
from shared.errors import NotFoundError
from shared.markdown import one_line
from shared.tickets import HistoryEntry, Ticket, parse_many, parse_one
from shared.together import together


async def read_ticket(api: APIClient, ticket_id: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Return a ticket and its history, newest entry first.

    The ticket alone decides whether it exists: the existing API gives an empty history for any id.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    try:
        ticket, history = await together(api.get(path), api.get(f"{path}/history"))
    except NotFoundError:
        raise _no_ticket(ticket_id) from None
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, history)


async def read_before_write(api: APIClient, ticket_id: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Do as `read_ticket`, the history first: what a colleague does in between then counts as new.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    try:
        history = await api.get(f"{path}/history")
        ticket = await api.get(path)
    except NotFoundError:
        raise _no_ticket(ticket_id) from None
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, history)


async def read_after_write(api: APIClient, ticket_id: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Do as `read_ticket`, the ticket first: the history then explains everything that the ticket holds.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    ticket = await api.get(path)
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, await api.get(f"{path}/history"))


def _no_ticket(ticket_id: str) -> NotFoundError:
    return NotFoundError(f"There is no ticket {one_line(ticket_id)}; get_ticket_list finds ids.")
