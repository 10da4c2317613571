"""Reads one ticket with its history."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import NotFoundError
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, Rows, Ticket, parse_many, parse_one


async def read_ticket(api: APIClient, ticket_id: str) -> tuple[Ticket, Rows[HistoryEntry]]:
    """Return a ticket and its history, newest entry first.

    Only the request for the ticket decides whether it exists: the existing API returns an empty history for any id.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    with _named(ticket_id):
        ticket, history = await gather_all(api.get(path), api.get(f"{path}/history"))
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, history)


async def read_before_write(api: APIClient, ticket_id: str) -> tuple[Ticket, Rows[HistoryEntry]]:
    """Do as `read_ticket`, reading the history first, so that a change by others in between counts as new.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    with _named(ticket_id):
        history = await api.get(f"{path}/history")
        ticket = await api.get(path)
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, history)


async def read_after_write(api: APIClient, ticket_id: str) -> tuple[Ticket, Rows[HistoryEntry]]:
    """Do as `read_ticket`, reading the ticket first, so that the history explains every value of the ticket.

    Raises:
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    path = f"/tickets/{segment(ticket_id)}"
    ticket = await api.get(path)
    return parse_one(Ticket, ticket), parse_many(HistoryEntry, await api.get(f"{path}/history"))


@contextmanager
def _named(ticket_id: str) -> Iterator[None]:
    """Name the ticket in the error if the API does not have it."""
    try:
        yield
    except NotFoundError as error:
        said = localized("There is no ticket {ticket_id}; get_ticket_list finds ids.", ticket_id=one_line(ticket_id))
        raise NotFoundError(said, hint=error.hint) from None
