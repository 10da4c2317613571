"""Creates a ticket: checked before, read back and compared afterwards."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from shared.concurrency import beside
from shared.errors import InvalidInputError, OutcomeUnknownError
from shared.localization import localized
from shared.mcp_tools.inputs import CreateTicketInput
from shared.tickets.acting_user import ToolCall
from shared.tickets.changes import differing
from shared.tickets.references import REFERENCES, Checked, cut_problems, resolve
from shared.tickets.results import TicketCreated, created_ticket
from shared.tickets.similar.look_alikes import MAX_ALIKE, look_alikes
from shared.tickets.ticket_system import TicketSystem
from shared.writes.creation import create
from shared.writes.earlier_writes import CREATE_S, EarlierTicket
from shared.writes.notes import attachments_lost, author_note, not_verified, stored_otherwise, unsaid
from shared.writes.odd_values import odd_values
from shared.writes.outcome import created_otherwise, read_back
from shared.writes.reception import reception_of
from shared.writes.repeats import Repeats, WriteAttempt, write_of
from shared.writes.verification import changed_since

_NOT_SENT: Final = frozenset({"idempotencyKey", "allowDuplicate", "receptionDateTime"})


class TicketCreation:
    """The new tickets of one ticket API."""

    def __init__(self, system: TicketSystem, repeats: Repeats) -> None:
        self._system = system
        self._repeats = repeats

    async def create(self, new: CreateTicketInput, call: ToolCall) -> TicketCreated:
        """Create a ticket unless an equal call just did, then read it back and compare.

        Attachments are sent too; only reading back shows whether the API stored them.
        """
        checked = await resolve(self._system.master, new.given(), call)
        if problems := [*checked.problems, *cut_problems(checked.values)]:
            raise InvalidInputError.of(problems)
        body = {name: value for name, value in checked.values.items() if name not in _NOT_SENT}
        reception = reception_of(new, await self._system.calendar.time())
        body |= reception.body | await self._system.calendar.completion_day(body, None)
        write = write_of(
            call,
            {"tool": "create_ticket", **body, "receptionDateTime": reception.words},
            key=new.idempotency_key,
            window_s=CREATE_S,
            duplicate=new.allow_duplicate,
        )
        trace = EarlierTicket(self._system.api, body, received_by=reception.latest)
        store = partial(self._store, new, call, checked, body, trace=trace)
        async with beside(look_alikes(self._system.api, body)) as looking:
            created = await self._repeats.once(write, trace, store)
            call.ticket_id = created.ticket_id
            if created.already is None:
                others = [said for ticket_id, said in await looking if ticket_id != created.ticket_id]
                created = created.model_copy(update={"notes": (*created.notes, *others[:MAX_ALIKE])})
        return created

    async def _store(
        self,
        new: CreateTicketInput,
        call: ToolCall,
        checked: Checked,
        body: Mapping[str, Any],
        attempt: WriteAttempt,
        *,
        trace: EarlierTicket,
    ) -> TicketCreated:
        try:
            ticket_id, how = await create(self._system.api, body, trace, idempotency_key=attempt.upstream)
        except OutcomeUnknownError as doubt:
            raise self._system.counted(doubt) from doubt.__cause__
        call.ticket_id = ticket_id
        attempt.subject = ticket_id
        self._system.pages.forget()
        ticket, history = await read_back(
            self._system.api,
            ticket_id,
            said=localized("The ticket API acknowledged ticket {ticket_id}", ticket_id=ticket_id),
        )
        notes = [*how, *unsaid(checked.notes, REFERENCES), *attachments_lost(ticket, new)]
        notes += odd_values(body, ticket, await self._system.calendar.time(), completed=self._system.completed)
        notes += [*changed_since(history, differing(ticket, body)), *not_verified(ticket, body)]
        if lost := stored_otherwise(ticket, body, history):
            if new.idempotency_key is None:
                raise self._system.counted(created_otherwise(ticket.id, lost))
            note = localized(
                "Not as given, perhaps changed since this key was first used: {lost}.", lost=localized("; ").join(lost)
            )
            notes.append(note)
        notes.append(author_note(call))
        return TicketCreated(
            ticket_id=ticket.id,
            ticket=created_ticket(ticket),
            notes=tuple(notes),
        )
