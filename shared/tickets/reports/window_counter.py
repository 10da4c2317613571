"""Counts tickets over the rows of a window, for a ticket API without statistics.

A window has at most 2,000 tickets. If more match, the open ones are counted alone, because of these most reports are
about, and they are few. Rows show names without ids, so groups of one name are counted together; the channel is read
ticket by ticket, of at most `MOST_READ`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from shared.errors import InvalidInputError, Problem, UpstreamUnavailableError
from shared.localization import localized
from shared.tickets.folding import name_key
from shared.tickets.master_lists import STATUSES
from shared.tickets.paging.narrowing import MOST_READ
from shared.tickets.paging.single_tickets import in_time
from shared.tickets.paging.window_pages import FoundRows
from shared.tickets.paging.windows import WINDOW
from shared.tickets.reports.measures import Counted, CountedGroup, ReportRequest, in_order
from shared.tickets.reports.row_counting import RowCounting
from shared.tickets.reports.shared_names import shared_names
from shared.tickets.selection import TicketFilters
from shared.tickets.sorting import Row
from shared.tickets.statuses import completed_ids
from shared.tickets.ticket_system import TicketSystem

_MOST_NAMED: Final = 3


@dataclass(frozen=True, slots=True)
class _Tickets:
    """The rows that are counted, those received and completed in the period (None: not known), and notes."""

    all: FoundRows
    received: Sequence[Row] | None = None
    completed: Sequence[Row] | None = None
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[Sequence[Row] | None, ...]:
        """The three kinds of rows."""
        return self.all.rows, self.received, self.completed


class WindowCounter:
    """The numbers that are counted here, of one ticket API."""

    def __init__(self, system: TicketSystem) -> None:
        self._system = system

    async def counted(self, request: ReportRequest) -> Counted:
        """Return the numbers.

        Raises:
            InvalidInputError: the API does not return the tickets, or not what they are grouped by.
            UpstreamError: the API failed.
        """
        statuses = (await self._system.master.lists())[STATUSES]
        completed = completed_ids(statuses, self._system.completed)
        tickets = await self._tickets(request, completed)
        channels = await self._channels(tickets) if "channel" in request.group_by else {}
        counting = RowCounting(request, frozenset(one.name for one in statuses if one.id in completed), channels)
        groups = counting.groups(tickets.parts)
        together = await self._together(groups)
        return Counted(
            counting.measures(*tickets.parts), in_order(groups, request.group_by), (*tickets.notes, *together)
        )

    async def _tickets(self, request: ReportRequest, completed: Collection[str]) -> _Tickets:
        """Return the tickets, of the open ones alone if there are too many."""
        filters = request.filters
        found, notes = await self._whole(filters), list[str]()
        if not found.are_all:
            if filters.completed and not filters.status_ids:
                filters = replace(filters, completed=False)
                newest, found = len(found.rows), await self._whole(filters)
                notes.append(
                    localized(
                        "More than {number} tickets match, which this ticket API cannot count: of them, the open ones "
                        "alone are counted here.",
                        number=f"{newest:,}",
                    )
                )
            if not found.are_all:
                notes.append(
                    localized(
                        "Only the {number} received last were counted; narrow by person, account or status.",
                        number=f"{len(found.rows):,}",
                    )
                )
        if not request.has_period:
            return _Tickets(found, notes=(*notes, *found.notes))
        return await self._in_period(request, completed, found, notes)

    async def _in_period(
        self, request: ReportRequest, completed: Collection[str], found: FoundRows, notes: Sequence[str]
    ) -> _Tickets:
        """Return the tickets with those of the period, as far as windows reach."""
        received = await self._whole(replace(request.filters, received_from=request.first, received_to=request.last))
        ended = await self._completed(request, completed) if request.filters.completed else None
        parts = {localized("Received"): received, **({} if ended is None else {localized("Completed"): ended})}
        unknown = [name for name, one in parts.items() if not one.are_all]
        said = [*notes, *(note for one in (found, *parts.values()) if one.are_all for note in one.notes)]
        if unknown:
            said.append(_not_known(request, unknown))
        return _Tickets(
            found,
            received.rows if received.are_all else None,
            ended.rows if ended is not None and ended.are_all else None,
            tuple(dict.fromkeys(said)),
        )

    async def _completed(self, request: ReportRequest, completed: Collection[str]) -> FoundRows:
        """Return the tickets completed in the period: those in a completed status, because open ones come first."""
        ids = tuple(sorted({*completed} & {*(request.filters.status_ids or completed)}))
        in_period = replace(request.filters, completed_from=request.first, completed_to=request.last)
        return await self._whole(replace(in_period, status_ids=ids or in_period.status_ids))

    async def _whole(self, filters: TicketFilters) -> FoundRows:
        found = await self._system.pages.whole(filters)
        if found is None:
            raise InvalidInputError.of([
                Problem(
                    "",
                    localized(
                        "This ticket API does not return all matching tickets at once, so they cannot be counted; "
                        "narrow by personInChargeId, accountId or statusId"
                    ),
                )
            ])  # fmt: skip
        return found

    async def _channels(self, tickets: _Tickets) -> Mapping[str, str]:
        """Return the channel of each ticket."""
        ids = list(dict.fromkeys(row["ticketId"] for rows in tickets.parts for row in rows or ()))
        if len(ids) > MOST_READ:
            text = localized(
                "this ticket API shows the channel in single tickets only; at most {most} can be read, and {number} "
                "match. Narrow by personInChargeId, accountId or statusId, or group by something else",
                most=MOST_READ,
                number=f"{len(ids):,}",
            )
            raise InvalidInputError.of([Problem("groupBy", text)])
        try:
            with in_time():
                facts = await tickets.all.tickets.facts(ids)
        except TimeoutError:
            raise UpstreamUnavailableError(
                localized("The tickets could not all be read in time. Nothing was changed; try again in a moment.")
            ) from None
        return {one: facts[one].get("requestChannelName") or "" for one in ids}

    async def _together(self, groups: Sequence[CountedGroup]) -> tuple[str, ...]:
        """Return a note on groups of several people, accounts or the like with one name."""
        shared = await shared_names(self._system.master)
        names = dict.fromkeys(name for group in groups for name in group.names)
        several = [name for name in names if name_key(name) in shared][:_MOST_NAMED]
        if not several:
            return ()
        return (
            localized(
                "This ticket API lists names without ids, so all of one name are counted together: {names}.",
                names=localized(", ").join(several),
            ),
        )


def _not_known(request: ReportRequest, columns: Sequence[str]) -> str:
    return localized(
        "Not known of {period}: {columns}. It begins before the {number} tickets that this ticket API returns at once.",
        period=request.period,
        columns=localized(", ").join(columns),
        number=f"{WINDOW:,}",
    )
