"""Carries out the changes of several tickets, one after the other, each verified as `update_ticket` verifies its own.

A ticket that was changed since it was read is skipped. A failure of one ticket does not keep the others from being
tried; where the ticket API fails, or the outcome of a write is unknown, the rest is not tried. A call that is cancelled
ends after the ticket that is being written; the last report to the client and the audit trail say how far it came.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import anyio
import anyio.lowlevel

from shared.api_client import segment
from shared.errors import (
    ConflictError,
    Effect,
    InvalidInputError,
    NotFoundError,
    NotStoredError,
    OutcomeUnknownError,
    TicketChangedError,
    TicketServerError,
    UpstreamFaultError,
)
from shared.localization import localized
from shared.tickets.acting_user import ToolCall
from shared.tickets.models import HistoryEntry, parse_many
from shared.tickets.results import FieldChange
from shared.tickets.ticket_system import TicketSystem
from shared.writes.bulk.planned import PlannedTicket
from shared.writes.bulk.result import TicketState, state_labels
from shared.writes.by_feature.expected import changed_error, entries_since, newest_id
from shared.writes.ticket_update import PlannedUpdate, TicketUpdate

RUN_S: Final = 45.0
"""Seconds after which no other ticket is begun: many clients give up a call after 60 s."""
REPORT_S: Final = 1.0
_OF_ONE_TICKET: Final = (NotStoredError, ConflictError, InvalidInputError, NotFoundError, UpstreamFaultError)
"""Errors that say nothing of the next ticket."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one ticket: what was changed, as read back, and notes or the reason why it was not."""

    ticket: PlannedTicket
    state: TicketState
    changed: tuple[FieldChange, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """What became of all tickets, in their order, and why the rest was not tried, if it was not."""

    ended: tuple[Ended, ...]
    stopped: str = ""


class CarryingOut:
    """Carries out planned changes, over one ticket API."""

    def __init__(self, system: TicketSystem, update: TicketUpdate) -> None:
        self._system = system
        self._update = update

    async def run(
        self,
        tickets: Sequence[PlannedTicket],
        settled: Mapping[str, Ended],
        call: ToolCall,
        renew: Callable[[], Awaitable[object]],
    ) -> Run:
        """Write each ticket that is not `settled`, by its id, and return what became of all.

        Args:
            tickets: all tickets of the call.
            settled: those to which nothing is written.
            call: takes note of each ticket.
            renew: is called before each ticket.

        Raises:
            UpstreamError: the ticket API failed at the first ticket, and nothing was changed.
        """
        ended, stopped = dict(settled), ""
        to_do = [one for one in tickets if one.ticket_id not in ended]
        give_up_at = time.monotonic() + RUN_S
        for place, one in enumerate(to_do, 1):
            if not stopped and place > 1 and time.monotonic() >= give_up_at:
                stopped = localized("The time for one call was over; repeat this call to go on.")
            if stopped:
                ended[one.ticket_id] = Ended(one, TicketState.NOT_TRIED)
                continue
            with anyio.CancelScope(shield=True):
                await renew()
                ended[one.ticket_id], error = await self._written(one)
                await _noted(call, ended[one.ticket_id], error, place, len(to_do))
            await anyio.lowlevel.checkpoint()  # a call that was cancelled ends here
            if error is not None and not isinstance(error, _OF_ONE_TICKET):
                if place == 1 and error.effect is Effect.NOTHING_CHANGED:
                    raise error
                stopped = localized(
                    "Stopped at {ticket}; once the ticket API works again, repeat this call to go on.",
                    ticket=one.ticket_id,
                )
        return Run(tuple(ended[one.ticket_id] for one in tickets), stopped)

    async def _written(self, ticket: PlannedTicket) -> tuple[Ended, TicketServerError | None]:
        """Write one ticket; return what became of it, and its error."""
        if ticket.planned is None:
            raise AssertionError("unreachable: a ticket without a plan is settled")
        try:
            updated = await self._update.carry_out(await self._guarded(ticket.planned))
        except TicketServerError as error:
            return Ended(ticket, _state_after(error), notes=(str(error),)), error
        notes = tuple(note for note in updated.notes if note not in ticket.planned.resolved)
        return Ended(ticket, TicketState.DONE, updated.changed, notes), None

    async def _guarded(self, planned: PlannedUpdate) -> PlannedUpdate:
        """Return `planned` for a ticket without newer entries; an API that cannot compare is asked for them now."""
        if (guarded := await self._update.guarded(planned)) is not None:
            return guarded
        ticket_id, known = planned.update.before.id, planned.update.known
        history = parse_many(HistoryEntry, await self._system.api.get(f"/tickets/{segment(ticket_id)}/history"))
        if new := entries_since(ticket_id, history, newest_id(known)):
            raise changed_error(ticket_id, new)
        return planned


def _state_after(error: TicketServerError) -> TicketState:
    if isinstance(error, TicketChangedError):
        return TicketState.SKIPPED
    if isinstance(error, OutcomeUnknownError):
        return TicketState.UNKNOWN
    return TicketState.IN_PART if error.effect is Effect.CHANGED else TicketState.FAILED


async def _noted(call: ToolCall, ended: Ended, error: TicketServerError | None, place: int, total: int) -> None:
    if call.steps is None:
        return
    ticket_id = ended.ticket.ticket_id
    await call.steps.wrote(ticket_id, "ok" if error is None else error.kind)
    with anyio.move_on_after(REPORT_S):
        said = localized(
            "{place} of {total}: {ticket} {state}",
            place=place,
            total=total,
            ticket=ticket_id,
            state=state_labels()[ended.state],
        )
        await call.steps.progress(place, total, said)
