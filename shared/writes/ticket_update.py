"""Changes a ticket: only what differs is sent, and what it changed is told apart from what others did meanwhile."""

from shared.errors import InvalidInputError, NotStoredError, OutcomeUnknownError
from shared.mcp_tools.inputs import UpdateTicketInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import FIELDS, differing
from shared.tickets.features import CLEAR
from shared.tickets.parts import cut
from shared.tickets.reading import read_before_write
from shared.tickets.results import MAX_CELL, MAX_ECHO, TicketUpdated, shortened
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.writes.checked_write import checked_write
from shared.writes.cleared_fields import emptied
from shared.writes.notes import cannot_be_empty, kept, nothing_to_do, unsaid
from shared.writes.odd_values import odd_values
from shared.writes.updates import Update, store
from shared.writes.verification import SentWrite


class TicketUpdate:
    """The changes of tickets of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def update(self, change: UpdateTicketInput, call: ToolCall) -> TicketUpdated:
        """Send the values that differ from the ticket as read; report this call's changes apart from others'."""
        before, history = await read_named(read_before_write, self._system.api, change.ticket_id, writes=True)
        call.ticket_id = before.id
        checked, author = await checked_write(
            self._system.master, change.given(), call, "updatedById", ticket=before, emptied=change.emptied
        )
        empty = emptied(before, change.emptied, can_clear=await self._system.features.has(CLEAR))
        wanted = differing(before, checked.values)
        wanted |= await self._system.calendar.completion_day(
            wanted | dict.fromkeys(change.emptied), before.completion_date
        )
        notes = (*map(cannot_be_empty, change.cannot_be_empty), *kept(change.kept), *empty.notes)
        if not wanted and not empty.values and change.comment is None:
            raise InvalidInputError(nothing_to_do(before, change, (*checked.notes, *notes)))
        said = {} if change.comment is None else {"comment": change.comment}
        names = {name: item.name for name, item in checked.items.items()}
        update = Update(
            before=before,
            known=history,
            sent=SentWrite(author.id, {**wanted, **empty.values}, change.comment, names),
            given={name: value for name, value in checked.values.items() if name in FIELDS},
            body={**wanted, **empty.body, **said, "updatedById": author.id},
        )
        try:
            stored = await store(self._system.api, update)
        except (NotStoredError, OutcomeUnknownError) as error:
            raise self._system.counted(error) from error.__cause__
        finally:
            self._system.pages.forget()
        odd = odd_values(
            {**said, **wanted}, stored.ticket, await self._system.calendar.time(), completed=self._system.completed
        )
        return TicketUpdated(
            ticket_id=before.id,
            recorded_as=shortened(author, MAX_CELL),
            changed=stored.changed,
            comment=change.comment and cut(change.comment, MAX_ECHO),
            notes=(
                *unsaid(checked.notes, {"updatedById", *(one.field for one in stored.changed)}),
                *notes,
                *stored.notes,
                *odd,
            ),
        )
