"""Finds what an earlier create_ticket or add_ticket_history stored, and returns it as the result of a repeat."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shared.api_client import APIClient, segment
from shared.concurrency import gather_all
from shared.errors import Effect, NotFoundError, NotStoredError, UpstreamError, UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.changes import FIELDS, differing
from shared.tickets.models import HistoryEntry, MasterItem, Ticket, TicketRow, parse_many, parse_one
from shared.tickets.reading import read_after_write, read_ticket
from shared.tickets.results import (
    MAX_CELL,
    MAX_ECHO,
    CommentAdded,
    TicketCreated,
    created_ticket,
    shortened,
    shortened_entry,
)
from shared.writes.notes import not_verified, stored_otherwise
from shared.writes.recent_writes import LEASE_S, Earlier
from shared.writes.repeats import meaning
from shared.writes.verification import changed_since

CREATE_S: Final = 600.0
"""Seconds during which an equal create_ticket counts as a repeat."""
COMMENT_S: Final = 120.0
"""Seconds during which an equal add_ticket_history counts as a repeat."""
_SKEW: Final = timedelta(minutes=2)
"""How far the clocks of this server and of the ticket API may differ."""
_MAX_ROWS: Final = 100
_MAX_READ: Final = 5
_UNREADABLE: Final = "{said} It cannot be read at the moment. Nothing was changed by this call."


class EarlierTicket:
    """The trace of a new ticket: a ticket that holds the given values and no others.

    Args:
        api: the client for the ticket API.
        body: the values, by the API's field names.
        received_by: if the reception time was not given, or relative to the call, what it is for this call; an equal
            ticket was received before.
    """

    def __init__(self, api: APIClient, body: Mapping[str, Any], *, received_by: str | None = None) -> None:
        self._api = api
        self._received_by = received_by
        self._body = {name: value for name, value in body.items() if not (received_by and name == "receptionDateTime")}
        # Some ticket APIs fill in a completion date, and some keep no attachments.
        skipped = {"id"} | ({"completionDate"} - body.keys()) | ({"receptionDateTime"} if received_by else set())
        self._fields = {str(name): own for name, own in FIELDS.items() if name not in skipped}
        self._meaning = meaning({name: body.get(name) for name in self._fields})

    def already(self, ago: str, subject: str) -> str:
        """Return the beginning of a sentence that says what the earlier call did."""
        return localized("Already created {ago} as {subject}", ago=ago, subject=subject)

    @property
    def another(self) -> str:
        """What allowing a duplicate does."""
        return localized("makes another")

    async def find(self, earlier: Earlier) -> str:
        """Return the id of the acknowledged ticket, or of the newest equal ticket; read each candidate to compare."""
        if earlier.subject:
            return earlier.subject if await self._read(earlier.subject) else ""
        return await self.newest(earlier.age_s)

    async def newest(self, age_s: float) -> str:
        """Return the id of the newest equal ticket that is at most `age_s` old, in seconds, or an empty text."""
        tickets = await gather_all(*(self._read(ticket_id) for ticket_id in await self._candidates(age_s)))
        return next((ticket.id for ticket in tickets if ticket is not None and self._is_equal(ticket)), "")

    async def show(self, subject: str, said: str) -> TicketCreated:
        """Return the ticket in its current state."""
        try:
            ticket, history = await read_after_write(self._api, subject)
        except NotFoundError:
            gone = localized("{said} That ticket no longer exists. Nothing was changed by this call.", said=said)
            raise NotFoundError(gone) from None
        except UpstreamError:
            raise UpstreamUnavailableError(localized(_UNREADABLE, said=said)) from None
        notes = [*changed_since(history, differing(ticket, self._body)), *not_verified(ticket, self._body)]
        if lost := stored_otherwise(ticket, self._body, history):
            notes.append(localized("Not as given: {lost}.", lost=localized("; ").join(lost)))
        return TicketCreated(
            already=said,
            ticket_id=ticket.id,
            ticket=created_ticket(ticket),
            notes=tuple(notes),
        )

    async def _candidates(self, age_s: float) -> list[str]:
        """Return the ids of listed tickets with this summary and reception time, newest first.

        The list is searched by a part of the summary that every ticket API finds.
        """
        query = {"accountId": self._body["accountId"], "showCompleted": True, "limit": _MAX_ROWS}
        if piece := searchable(str(self._body["summary"])):
            query["searchQuery"] = piece
        rows = parse_many(TicketRow, await self._api.get("/tickets", params=query))
        found = [
            row.ticket_id
            for row in rows
            if meaning(row.summary) == self._meaning["summary"] and self._fits(row.reception_date_time or "", age_s)
        ]
        return sorted(found, key=lambda one: (len(one), one), reverse=True)[:_MAX_READ]

    def _fits(self, received: str, age_s: float) -> bool:
        if self._received_by is None:
            return bool(meaning(received) == self._meaning["receptionDateTime"])
        try:
            age = datetime.fromisoformat(self._received_by) - datetime.fromisoformat(received)
        except (ValueError, TypeError):  # no such minute, or one with an offset
            return False
        return -_SKEW <= age <= timedelta(seconds=age_s + LEASE_S) + _SKEW

    async def _read(self, ticket_id: str) -> Ticket | None:
        try:
            return parse_one(Ticket, await self._api.get(f"/tickets/{segment(ticket_id)}"))
        except NotFoundError:
            return None

    def _is_equal(self, ticket: Ticket) -> bool:
        """Compare what can be read; an unreadable value may equal any that was given, but not an absent one."""
        unreadable = {name for name in self._fields if name in ticket.unreadable}
        if any(self._body.get(name) is None for name in unreadable):
            return False
        held = {name: getattr(ticket, own) for name, own in self._fields.items() if name not in unreadable}
        return bool(meaning(held) == meaning({name: self._body.get(name) for name in held}))


class EarlierComment:
    """The trace of a comment: a history entry by its author with the same text.

    Args:
        api: the client for the ticket API.
        ticket_id: the ticket.
        author: the user who comments.
        comment: the text.
    """

    def __init__(self, api: APIClient, ticket_id: str, author: MasterItem, comment: str) -> None:
        self._api = api
        self._ticket_id = ticket_id
        self._author = author
        self._meaning = meaning(comment)

    def already(self, ago: str, subject: str) -> str:  # noqa: ARG002 - readers know a comment by its ticket
        """Return the beginning of a sentence that says what the earlier call did."""
        return localized("Already added {ago} to {ticket_id}", ago=ago, ticket_id=self._ticket_id)

    @property
    def another(self) -> str:
        """What allowing a duplicate does."""
        return localized("adds another")

    def equal(self, entries: tuple[HistoryEntry, ...]) -> tuple[HistoryEntry, ...]:
        """Return the entries with an equal comment."""
        return tuple(
            one
            for one in entries
            if one.comment and one.user_id in {None, self._author.id} and meaning(one.comment) == self._meaning
        )

    async def find(self, earlier: Earlier) -> str:
        """Return the id of the newest equal entry, if there are more of them than before the earlier call."""
        _, history = await read_ticket(self._api, self._ticket_id)
        equal = self.equal(history)
        return equal[0].id if len(equal) > earlier.seen else ""

    async def show(self, subject: str, said: str) -> CommentAdded:
        """Return the entry."""
        try:
            _, history = await read_ticket(self._api, self._ticket_id)
        except UpstreamError:
            raise UpstreamUnavailableError(localized(_UNREADABLE, said=said)) from None
        entry = next((one for one in history if one.id == subject), None)
        if entry is None:
            gone = localized("{said} It is no longer in the history. Nothing was changed by this call.", said=said)
            raise NotStoredError(gone, effect=Effect.NOTHING_CHANGED)
        return CommentAdded(
            already=said,
            ticket_id=self._ticket_id,
            recorded_as=shortened(self._author, MAX_CELL),
            entry=shortened_entry(entry, MAX_ECHO),
        )


def searchable(text: str) -> str:
    """Return the longest part of `text` that every ticket API finds by `searchQuery`, whatever its Unicode form.

    The existing API treats a backslash, `%` and `_` as pattern characters; the reference API does not.
    """
    simple = "".join(
        sign if unicodedata.is_normalized("NFD", sign) and not unicodedata.combining(sign) else "\\" for sign in text
    )
    return max((piece.strip() for piece in re.split(r"[\\%_\r\n]+", simple)), key=len)
