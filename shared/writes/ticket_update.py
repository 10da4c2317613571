"""Changes a ticket: only what differs is sent, and what it changed is told apart from what others did meanwhile.

`plan` checks a change against the ticket as read, `carry_out` sends it and verifies it; between them, `update_tickets`
shows what would change.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.errors import InvalidInputError, NotStoredError, OutcomeUnknownError
from shared.mcp_tools.inputs import TicketChange, UpdateTicketInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import FIELDS, differing, value_shown
from shared.tickets.features import CLEAR, EFFORT_INCREMENT, EXPECTED_HISTORY
from shared.tickets.models import MasterItem
from shared.tickets.parts import cut
from shared.tickets.reading import TicketRead, read_before_write
from shared.tickets.results import MAX_CELL, MAX_ECHO, FieldChange, TicketUpdated, field_change, shortened
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.writes.by_feature.added_hours import added_hours
from shared.writes.by_feature.comment_visibility import CommentVisibility
from shared.writes.by_feature.expected import changed_error, entries_since, newest_id, only_checked_before
from shared.writes.checked_write import checked_write
from shared.writes.cleared_fields import emptied
from shared.writes.notes import cannot_be_empty, kept, nothing_to_do, unsaid
from shared.writes.odd_values import odd_values
from shared.writes.updates import Update, store
from shared.writes.verification import SentWrite, labelled


@dataclass(frozen=True, slots=True)
class PlannedUpdate:
    """A change of one ticket, checked against it and not sent yet."""

    update: Update
    author: MasterItem
    notes: tuple[str, ...] = ()
    resolved: tuple[str, ...] = ()
    """Notes on names that were resolved to ids."""

    @property
    def changes_nothing(self) -> bool:
        """Whether the ticket holds every value already, and there is no comment."""
        return not self.update.sent.values and self.update.sent.comment is None

    def changes(self) -> tuple[FieldChange, ...]:
        """Return each field that differs, with the value read and the value to be sent."""
        before, sent = self.update.before, self.update.sent
        return tuple(
            field_change(
                name,
                value_shown(before, FIELDS[name]),
                None if value is None else labelled(name, str(value), sent, before),
            )
            for name, value in sent.totals().items()
        )


class TicketUpdate:
    """The changes of tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system
        self._visibility = CommentVisibility(system.features)

    async def update(self, change: UpdateTicketInput, call: ToolCall) -> TicketUpdated:
        """Send the values that differ from the ticket as read; report this call's changes apart from others'.

        Raises:
            TicketChangedError: the ticket was changed since the entry or moment that the caller gave.
        """
        read = await read_named(read_before_write, self._system.api, change.ticket_id, writes=True)
        call.ticket_id = read[0].id
        planned = await self.plan(change, read, call, author_id=change.updated_by_id)
        if change.if_unchanged_since is not None:
            new = entries_since(read[0].id, read[1], change.if_unchanged_since)
            if new:
                raise changed_error(read[0].id, new)
            planned = await self.guarded(planned) or replace(planned, notes=(*planned.notes, only_checked_before()))
        if planned.changes_nothing:
            raise InvalidInputError(nothing_to_do(read[0], change, (*planned.resolved, *planned.notes)))
        return await self.carry_out(planned)

    async def plan(
        self, change: TicketChange, read: TicketRead, call: ToolCall, *, author_id: str | None
    ) -> PlannedUpdate:
        """Return the change of a ticket as read, `author_id` being the acting user that the call names.

        Raises:
            InvalidInputError: it names all problems at once.
        """
        before, history = read
        given = change.given() | ({} if author_id is None else {"updatedById": author_id})
        can_add = await self._system.features.has(EFFORT_INCREMENT)
        hours = added_hours(before, change.add_effort_hours, can_add=can_add)
        marked = await self._visibility.of(change.visibility)
        checked, author = await checked_write(
            self._system.master,
            given,
            call,
            "updatedById",
            ticket=before,
            emptied=change.emptied,
            further=(*hours.problems, *marked.problems),
        )
        empty = emptied(before, change.emptied, can_clear=await self._system.features.has(CLEAR))
        wanted = differing(before, checked.values)
        wanted |= await self._system.calendar.completion_day(
            wanted | dict.fromkeys(change.emptied), before.completion_date
        )
        said = {} if change.comment is None else {"comment": change.comment}
        names = {name: item.name for name, item in checked.items.items()}
        return PlannedUpdate(
            update=Update(
                before=before,
                known=history,
                sent=SentWrite(author.id, {**wanted, **hours.values, **empty.values}, change.comment, names),
                given={name: value for name, value in checked.values.items() if name in FIELDS},
                body={**wanted, **hours.body, **empty.body, **said, **marked.body, "updatedById": author.id},
            ),
            author=author,
            notes=(
                *map(cannot_be_empty, change.cannot_be_empty),
                *kept(change.kept),
                *empty.notes,
                *hours.notes,
                *marked.notes,
            ),
            resolved=tuple(checked.notes),
        )

    async def guarded(self, planned: PlannedUpdate) -> PlannedUpdate | None:
        """Return `planned` so that the API refuses it if the ticket has a newer entry; None if the API cannot."""
        update = planned.update
        newest = newest_id(update.known)
        if not newest.isdecimal() or not await self._system.features.has(EXPECTED_HISTORY):
            return None
        return replace(planned, update=replace(update, body={**update.body, "expectedHistoryId": int(newest)}))

    async def carry_out(self, planned: PlannedUpdate) -> TicketUpdated:
        """Send a planned change, and return what it changed, as read back.

        Raises:
            TicketServerError: any error of `store`.
        """
        update = planned.update
        try:
            stored = await store(self._system.api, update)
        except (NotStoredError, OutcomeUnknownError) as error:
            raise self._system.counted(error) from error.__cause__
        finally:
            self._system.pages.forget()
        sent: Mapping[str, Any] = {
            **({} if update.sent.comment is None else {"comment": update.sent.comment}),
            **update.sent.values,
        }
        odd = odd_values(sent, stored.ticket, await self._system.calendar.time(), completed=self._system.completed)
        return TicketUpdated(
            ticket_id=update.before.id,
            recorded_as=shortened(planned.author, MAX_CELL),
            changed=stored.changed,
            comment=update.sent.comment and cut(update.sent.comment, MAX_ECHO),
            notes=(
                *unsaid(planned.resolved, {"updatedById", *(one.field for one in stored.changed)}),
                *planned.notes,
                *stored.notes,
                *odd,
            ),
        )
