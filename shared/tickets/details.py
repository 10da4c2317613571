"""Answers `get_ticket_detail`: one ticket with a page of its history, or a part of its long texts."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.mcp_tools.inputs import TicketDetailInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.features import HISTORY_PAGES
from shared.tickets.models import HistoryEntry, Ticket
from shared.tickets.parts import cut, part, parts_of
from shared.tickets.reading import HistoryPage, PlaceInHistory, read_with_page
from shared.tickets.results import (
    MAX_CELL,
    MAX_COMMENT,
    MAX_DETAILS,
    MAX_ENTRIES,
    MAX_TEXT,
    TicketDetail,
    shortened_entry,
    shortened_ticket,
)
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import left_out_notes

MAX_HISTORY_TEXT: Final = 10_000
"""Characters of the entries of one page, as JSON."""


class TicketDetails:
    """The single tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def detail(self, query: TicketDetailInput, _: ToolCall) -> TicketDetail:
        """Return the ticket with its newest history, or what `before`, `since` and `part` ask for.

        Raises:
            InvalidInputError: the history has no entry `before`, or no text has so many parts.
            NotFoundError: there is no such ticket.
            UpstreamError: the API failed.
        """
        place = PlaceInHistory(query.before, query.since)
        by_page = await self._system.features.has(HISTORY_PAGES)
        read = partial(read_with_page, place=place, most=MAX_ENTRIES, by_page=by_page)
        ticket, page = await read_named(read, self._system.api, query.ticket_id)
        if place != PlaceInHistory():
            ticket = Ticket(id=ticket.id, summary=ticket.summary and cut(ticket.summary, MAX_CELL))
        entries = _fitting(page.entries)
        parts = max(_parts_of_ticket(ticket), *map(_parts_of_entry, entries), 1)
        number = query.part or 1
        if number > parts:
            said = localized("must be 1 to {parts}; no text here has more parts", parts=parts)
            raise InvalidInputError.of([Problem("part", said)])
        is_whole = number == 1
        return TicketDetail(
            ticket=shortened_ticket(ticket) if is_whole else _part_of_ticket(ticket, number),
            history=tuple(map(shortened_entry, entries)) if is_whole else _parts_of_comments(entries, number),
            history_total=page.total,
            next_before=_next_before(page, entries) if is_whole else None,
            since=(await self._system.calendar.time()).shown_moment(query.since) if query.since else None,
            is_older=True if query.before else None,
            part=number if parts > 1 else None,
            parts=parts if parts > 1 else None,
            notes=left_out_notes(page.entries.left_out),
        )


def _fitting(entries: Sequence[HistoryEntry]) -> Sequence[HistoryEntry]:
    """Return the first entries that fit `MAX_HISTORY_TEXT` when they are shortened, at least one."""
    left = MAX_HISTORY_TEXT
    for place, entry in enumerate(entries):
        left -= len(shortened_entry(entry).model_dump_json(exclude_none=True))
        if place and left < 0:
            return entries[:place]
    return entries


def _next_before(page: HistoryPage, shown: Sequence[HistoryEntry]) -> str | None:
    """Return the entry that older ones follow, if there are any."""
    return shown[-1].id if shown and (page.has_more or len(shown) < len(page.entries)) else None


def _most(field: str) -> int:
    return MAX_TEXT if field == "description" else MAX_DETAILS


def _parts_of_ticket(ticket: Ticket) -> int:
    return max(parts_of(text, _most(field)) for field, text in ticket if isinstance(text, str))


def _parts_of_entry(entry: HistoryEntry) -> int:
    return parts_of(entry.comment or "", MAX_COMMENT)


def _part_of_ticket(ticket: Ticket, number: int) -> Ticket:
    """Return the ticket with its id, its summary and part `number` of the texts that have one."""
    texts = {field: part(text, _most(field), number) for field, text in ticket if isinstance(text, str)}
    summary = ticket.summary and cut(ticket.summary, MAX_CELL)
    return Ticket(**{"summary": summary, **{field: text for field, text in texts.items() if text}, "id": ticket.id})


def _parts_of_comments(entries: Sequence[HistoryEntry], number: int) -> tuple[HistoryEntry, ...]:
    """Return the entries whose comments have a part `number`, with it and without their changes."""
    comments = ((entry, part(entry.comment or "", MAX_COMMENT, number)) for entry in entries)
    return tuple(
        shortened_entry(entry.model_copy(update={"comment": None, "changed_fields": None})).model_copy(
            update={"comment": comment}
        )
        for entry, comment in comments
        if comment
    )
