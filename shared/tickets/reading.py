"""Reads one ticket with its history, or with one page of it; the newest entry is the first."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, Problem, UpstreamFaultError
from shared.localization import localized
from shared.markdown import one_line
from shared.tickets.models import HistoryEntry, Rows, Ticket, parse_many, parse_one
from shared.tickets.paging.single_tickets import moment_of

TicketRead: TypeAlias = tuple[Ticket, Rows[HistoryEntry]]
"""A ticket, and its history with the newest entry first."""


@dataclass(frozen=True, slots=True)
class PlaceInHistory:
    """Which entries are read: those that follow the entry `before`, which are older, and are not older than `since`."""

    before: str | None = None
    since: str | None = None
    """ISO 8601 with an offset."""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """The newest entries at a place, at most as many as were asked for."""

    entries: Rows[HistoryEntry]
    total: int
    """How many entries there are since `since`, whatever `before` is."""
    has_more: bool


async def read_ticket(api: APIClient, ticket_id: str) -> TicketRead:
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


async def read_with_page(
    api: APIClient, ticket_id: str, *, place: PlaceInHistory, most: int, by_page: bool
) -> tuple[Ticket, HistoryPage]:
    """Return a ticket and one page of its history.

    Args:
        api: the client.
        ticket_id: its exact id.
        place: which entries are meant.
        most: how many are returned at most.
        by_page: whether the API has pages of histories; else the whole history is read, and the page cut here.

    Raises:
        InvalidInputError: the history has no entry `place.before`.
        NotFoundError: there is no such ticket.
        UpstreamError: the API failed.
    """
    if not by_page:
        ticket, history = await read_ticket(api, ticket_id)
        return ticket, _cut_page(history, place, most)
    path = f"/tickets/{segment(ticket_id)}"
    query = {"envelope": True, "limit": most, "before": place.before, "since": place.since}
    given = {name: value for name, value in query.items() if value is not None}
    with _named(ticket_id):
        try:
            ticket, page = await gather_all(api.get(path), api.get(f"{path}/history", params=given))
        except InvalidInputError as error:
            raise _no_such_entry() if error.field == "before" else error from None
    return parse_one(Ticket, ticket), _parsed_page(page)


def _parsed_page(response: Any) -> HistoryPage:
    envelope = response if isinstance(response, dict) else {}
    total = envelope.get("total")
    if not isinstance(total, int) or isinstance(total, bool):
        raise UpstreamFaultError(localized("The ticket API returned a page of a history without its total."))
    entries = parse_many(HistoryEntry, envelope.get("entries"))
    return HistoryPage(entries, total, has_more=envelope.get("nextCursor") is not None)


def _cut_page(history: Rows[HistoryEntry], place: PlaceInHistory, most: int) -> HistoryPage:
    """Return a page of a whole history; an entry without a readable time counts as one of any time."""
    first = 0
    if place.before is not None:
        ids = [entry.id for entry in history]
        if place.before not in ids:
            raise _no_such_entry()
        first = ids.index(place.before) + 1
    since = moment_of(place.since)

    def is_recent(entry: HistoryEntry) -> bool:
        moment = moment_of(entry.timestamp)
        return since is None or moment is None or moment >= since

    following = [entry for entry in history[first:] if is_recent(entry)]
    entries = Rows(following[:most])
    entries.left_out = history.left_out
    return HistoryPage(entries, sum(map(is_recent, history)), has_more=len(following) > most)


def _no_such_entry() -> InvalidInputError:
    text = localized("is no entry of this ticket's history; give the id that a page names for older ones")
    return InvalidInputError.of([Problem("before", text)])


async def read_before_write(api: APIClient, ticket_id: str) -> TicketRead:
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


async def read_after_write(api: APIClient, ticket_id: str) -> TicketRead:
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
