"""The tickets of one call, as read, each with its checked change or the reason why it has none."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import anyio

from shared.concurrency import gather_all
from shared.errors import InvalidInputError, NotFoundError, Problem, UpstreamFaultError, UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.acting_user import ToolCall
from shared.tickets.models import HistoryEntry, MasterItem
from shared.tickets.reading import TicketRead, read_before_write
from shared.tickets.references import Checked
from shared.tickets.ticket_ids import read_named
from shared.tickets.ticket_system import TicketSystem
from shared.writes.bulk.result import TicketState
from shared.writes.bulk.wanted import Wanted
from shared.writes.checked_write import checked_write
from shared.writes.ticket_update import PlannedUpdate, TicketUpdate

READ_S: Final = 15.0
"""Seconds for reading all tickets of one call."""
AT_ONCE: Final = 8
"""Tickets that are read at the same time."""
_ACTING: Final = "updatedById"


@dataclass(frozen=True, slots=True)
class PlannedTicket:
    """One ticket of a call. Without `planned`, `why` says why it cannot be changed."""

    wanted: Wanted
    ticket_id: str
    history: Sequence[HistoryEntry] = ()
    planned: PlannedUpdate | None = None
    why: str = ""

    @property
    def state(self) -> TicketState:
        """What would become of it."""
        if self.planned is None:
            return TicketState.CANNOT
        return TicketState.HOLDS if self.planned.changes_nothing else TicketState.WOULD_CHANGE

    @property
    def summary(self) -> str:
        """Its summary, empty if it has none or was not read."""
        return "" if self.planned is None else self.planned.update.before.summary or ""


@dataclass(frozen=True, slots=True)
class CheckedChanges:
    """The changes of a call, with every reference resolved, by their places; and the acting user."""

    author: MasterItem
    by_place: Mapping[str, Checked]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of resolved names, each once."""
        return tuple(dict.fromkeys(note for one in self.by_place.values() for note in one.notes))


class Planning:
    """Reads and checks the tickets of calls, for one ticket API."""

    def __init__(self, system: TicketSystem, update: TicketUpdate) -> None:
        self._system = system
        self._update = update

    async def check(self, wanted: Sequence[Wanted], author_id: str | None, call: ToolCall) -> CheckedChanges:
        """Return the changes and the acting user.

        Raises:
            InvalidInputError: it names all problems that do not depend on a ticket, each once and by its place.
        """
        problems: dict[str, Problem] = {}
        by_place: dict[str, Checked] = {}
        author: MasterItem | None = None
        for place, change in {one.place: one.change for one in wanted}.items():
            given = change.given() | ({} if author_id is None else {_ACTING: author_id})
            try:
                by_place[place], author = await checked_write(
                    self._system.master, given, call, _ACTING, emptied=change.emptied
                )
            except InvalidInputError as error:
                placed = [_placed(one, place) for one in error.problems]
                problems |= {one.field: one for one in placed}
        if problems or author is None:
            raise InvalidInputError.of(list(problems.values()))
        return CheckedChanges(author, by_place)

    async def read(self, wanted: Sequence[Wanted], author_id: str | None, call: ToolCall) -> list[PlannedTicket]:
        """Return every ticket as it is now; one that was named twice with one change is returned once.

        Raises:
            InvalidInputError: two different changes are for the same ticket.
            UpstreamError: the API failed.
        """
        places = anyio.CapacityLimiter(AT_ONCE)
        try:
            with anyio.fail_after(READ_S):
                read = await gather_all(*(self._one(one, author_id, call, places) for one in wanted))
        except TimeoutError:
            raise UpstreamUnavailableError(
                localized(
                    "Reading {count} tickets took longer than {seconds:g} s. Nothing was changed; give fewer tickets.",
                    count=len(wanted),
                    seconds=READ_S,
                )
            ) from None
        return _once_each(read)

    async def _one(
        self, wanted: Wanted, author_id: str | None, call: ToolCall, places: anyio.CapacityLimiter
    ) -> PlannedTicket:
        read: TicketRead | None = None
        try:
            async with places:
                read = await read_named(read_before_write, self._system.api, wanted.ticket_id, writes=True)
            planned = await self._update.plan(wanted.change, read, call, author_id=author_id)
        except (InvalidInputError, NotFoundError, UpstreamFaultError) as error:
            known: dict[str, Any] = {} if read is None else {"history": read[1]}
            ticket_id = wanted.ticket_id if read is None else read[0].id
            return PlannedTicket(wanted, ticket_id, why=str(error), **known)
        return PlannedTicket(wanted, read[0].id, read[1], planned)


def _placed(problem: Problem, place: str) -> Problem:
    return problem if problem.field == _ACTING else problem._replace(field=f"{place}.{problem.field}")


def _once_each(tickets: Sequence[PlannedTicket]) -> list[PlannedTicket]:
    found: dict[str, PlannedTicket] = {}
    problems = []
    for one in tickets:
        first = found.setdefault(one.ticket_id, one)
        if first.wanted.place != one.wanted.place:
            text = localized(
                "{ticket} has a change already, in {place}", ticket=one.ticket_id, place=first.wanted.place
            )
            problems.append(Problem(f"{one.wanted.place}.ticketId", text))
    if problems:
        raise InvalidInputError.of(problems)
    return list(found.values())
