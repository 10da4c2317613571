"""Reading one ticket whole."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import NotFoundError
from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, Ticket, parse_many, parse_one


async def read_ticket(api: APIClient, ticket_id: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Return a ticket and its history, newest entry first.

    The ticket alone decides whether it exists: the existing API gives an empty history for any id.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    with _named(ticket_id):
        ticket, history = await gather_all(api.get(path), api.get(f"{path}/history"))
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, history)


async def read_before_write(api: APIClient, ticket_id: str) -> tuple[Ticket, tuple[HistoryEntry, ...]]:
    """Do as `read_ticket`, the history first: what a colleague does in between then counts as new.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    with _named(ticket_id):
        history = await api.get(f"{path}/history")
        ticket = await api.get(path)
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


@contextmanager
def _named(ticket_id: str) -> Iterator[None]:
    """Name the ticket that the API does not have."""
    try:
        yield
    except NotFoundError:
        raise NotFoundError(f"There is no ticket {one_line(ticket_id)}; get_ticket_list finds ids.") from None
