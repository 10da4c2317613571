"""Adds a comment to a ticket's history, and finds it there."""

from functools import partial
from typing import Any

from shared.api_client import segment
from shared.errors import OutcomeUnknownError
from shared.localization import localized
from shared.mcp_tools.inputs import AddHistoryInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import added, find_entries
from shared.tickets.models import MasterItem
from shared.tickets.reading import TicketRead, read_before_write
from shared.tickets.references import Checked
from shared.tickets.results import MAX_CELL, MAX_ECHO, CommentAdded, shortened, shortened_entry
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.upstream.meaning import id_in
from shared.writes.by_feature.comment_visibility import PUBLIC, CommentVisibility, Marked, marked_otherwise
from shared.writes.checked_write import checked_write
from shared.writes.earlier_writes import COMMENT_S, EarlierComment
from shared.writes.notes import proof_of_comment, unsaid
from shared.writes.odd_values import odd_values
from shared.writes.outcome import read_back, unclear, write_error
from shared.writes.repeats import Repeats, WriteAttempt, write_of
from shared.writes.verification import is_unclear


class CommentAddition:
    """The comments of one ticket API."""

    def __init__(self, system: TicketSystem, repeats: Repeats) -> None:
        self._system = system
        self._repeats = repeats
        self._visibility = CommentVisibility(system.features)

    async def add(self, new: AddHistoryInput, call: ToolCall) -> CommentAdded:
        """Add a comment unless an equal call just did, then find it in the history.

        An acknowledgement alone is no proof.
        """
        before = await read_named(read_before_write, self._system.api, new.ticket_id, writes=True)
        ticket, history = before
        call.ticket_id = ticket.id
        marked = await self._visibility.of(new.visibility)
        checked, author = await checked_write(self._system.master, new.given(), call, "userId", further=marked.problems)
        trace = EarlierComment(self._system.api, ticket.id, author, new.comment)
        write = write_of(
            call,
            {
                "tool": "add_ticket_history",
                "ticketId": ticket.id,
                "userId": author.id,
                "comment": new.comment,
                "visibility": PUBLIC if marked.body.get("visibility") == PUBLIC else None,
            },
            key=new.idempotency_key,
            window_s=COMMENT_S,
            seen=len(trace.equal(history)),
            duplicate=new.allow_duplicate,
        )
        return await self._repeats.once(write, trace, partial(self._store, new, checked, before, author, marked=marked))

    async def _store(
        self,
        new: AddHistoryInput,
        checked: Checked,
        before: TicketRead,
        author: MasterItem,
        attempt: WriteAttempt,
        *,
        marked: Marked,
    ) -> CommentAdded:
        ticket, history = before
        doubt: OutcomeUnknownError | None = None
        response: Any = None
        try:
            response = await self._system.api.post(
                f"/tickets/{segment(ticket.id)}/history",
                {"userId": author.id, "comment": new.comment, **marked.body},
                idempotency_key=attempt.upstream,
            )
        except OutcomeUnknownError as error:
            doubt = error
        said = str(doubt or localized("The comment was acknowledged"))
        _, entries = await read_back(self._system.api, ticket.id, said=said)
        # For a repeated idempotency key the API returns the entry of the first request, which is not new.
        named = id_in(response) or (doubt and doubt.named)
        acknowledged = [entry for entry in entries if entry.id == named]
        equal = find_entries([*acknowledged, *added(history, entries)], user_id=author.id, comment=new.comment)
        entry = equal[0] if equal else None
        if entry is None and any(map(is_unclear, added(history, entries))):
            raise self._system.counted(unclear(ticket.id, localized("a new entry of the history"), said))
        if entry is None:
            raise self._system.counted(
                write_error(ticket.id, [localized("the comment is not in the history")], doubt, partly=False)
            )
        attempt.subject = entry.id
        return CommentAdded(
            ticket_id=ticket.id,
            recorded_as=shortened(author, MAX_CELL),
            entry=shortened_entry(entry, MAX_ECHO),
            notes=(
                *unsaid(checked.notes, {"userId"}),
                *marked.notes,
                *marked_otherwise(new.visibility, entry),
                *proof_of_comment(entry, acknowledged, doubt),
                *odd_values(
                    {"comment": new.comment},
                    ticket,
                    await self._system.calendar.time(),
                    completed=self._system.completed,
                ),
            ),
        )
