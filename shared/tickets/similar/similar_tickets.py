"""Answers `find_similar_tickets`: tickets that may be about the same matter as a text or another ticket, and why."""

from collections.abc import Sequence

from shared.errors import InvalidInputError, Problem
from shared.localization import localized
from shared.mcp_tools.inputs import SimilarTicketsInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.features import SEARCH_HISTORY, SEARCH_WORDS, TOTAL_COUNT
from shared.tickets.models import TicketRow, parse_many
from shared.tickets.reading import read_ticket
from shared.tickets.references import Checked, check
from shared.tickets.similar.likeness import Likeness, Subject, most_alike, weights_of
from shared.tickets.similar.pool import MAX_ASKED, Pool, asked, compared, searched
from shared.tickets.similar.result import COLUMNS, SimilarTickets, fitting
from shared.tickets.similar.words import MAX_READ
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.tickets.unreadable import row_notes


class SimilarTicketFinder:
    """The similar tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def find(self, query: SimilarTicketsInput, call: ToolCall) -> SimilarTickets:
        """Return the most similar tickets, the most similar first.

        Raises:
            InvalidInputError: not exactly one of text and ticketId is given; a reference does not exist; or there is no
                word to look for.
            NotFoundError: there is no such ticket.
            UpstreamError: the API failed.
        """
        if (query.text is None) is (query.ticket_id is None):
            raise InvalidInputError.of([Problem("", localized("Give either text or ticketId"))])
        checked = await check(self._system.master, query.given(), call)
        subject, own_id = await self._subject(query, checked)
        is_searched = all([await self._system.features.has(one) for one in (SEARCH_WORDS, TOTAL_COUNT)])
        pool, notes = await self._pool(subject, is_searched=is_searched)
        weights = weights_of(pool.times, pool.total)
        found = most_alike(
            (
                subject.likeness(row, pool.found[ticket_id], weights)
                for ticket_id, row in pool.rows.items()
                if ticket_id != own_id
            ),
            query.limit,
        )
        if not found:
            notes = [await self._searched(pool, is_searched=is_searched), *notes]
        if len(subject.text) > MAX_READ:
            notes.append(localized("Compared: the first {count} characters.", count=f"{MAX_READ:,}"))
        return await self._result(found, [*checked.notes, *notes])

    async def _subject(self, query: SimilarTicketsInput, checked: Checked) -> tuple[Subject, str | None]:
        """Return what tickets are compared with, and the id of the ticket if it is one."""
        account = checked.items.get("accountId")
        if query.ticket_id is None:
            subject, own_id = Subject.of_text(query.text or "", account), None
        else:
            ticket, _ = await read_named(read_ticket, self._system.api, query.ticket_id)
            subject, own_id = Subject.of_ticket(ticket, account), ticket.id
        if not subject.words:
            name = "text" if query.ticket_id is None else "ticketId"
            text = localized("has no word to look for; describe the matter in some words")
            raise InvalidInputError.of([Problem(name, text)])
        return subject, own_id

    async def _pool(self, subject: Subject, *, is_searched: bool) -> tuple[Pool, list[str]]:
        """Return the tickets to compare, and what to know of them."""
        if is_searched:
            return await searched(self._system.api, subject.words, subject.account_id), []
        window = await self._system.pages.newest()
        pool = await compared(self._system.api, subject.words, window)
        notes = [localized("This ticket API cannot search descriptions, so they were not compared.")]
        if window is None or window.is_cut:
            notes.append(
                localized(
                    "Not all tickets could be compared: {count} were, the newest and those that the API found by one "
                    "of {words}.",
                    count=f"{pool.total:,}",
                    words=localized(", ").join(word.shown for word in asked(subject.words)),
                )
            )
        return pool, notes

    async def _searched(self, pool: Pool, *, is_searched: bool) -> str:
        words = localized(", ").join(word.shown for word in list(pool.times)[:MAX_ASKED])
        if not is_searched:
            return localized("Looked for: {words}.", words=words)
        if await self._system.features.has(SEARCH_HISTORY):
            return localized("Searched all tickets, with descriptions and newest comments, for: {words}.", words=words)
        return localized("Searched all tickets, with descriptions, for: {words}.", words=words)

    async def _result(self, found: Sequence[Likeness], notes: Sequence[str]) -> SimilarTickets:
        read = parse_many(TicketRow, [one.row for one in found])
        dated = await self._system.calendar.dated_rows(read, ("receptionDateTime",))
        why = {str(one.row["ticketId"]): one.reasons() for one in found}
        return SimilarTickets(
            columns=COLUMNS,
            rows=fitting(dated, why),
            notes=(*notes, *row_notes(read)),
        )
