"""The calendar of one ticket API: the time of a call in the one zone, and the days left of listed tickets."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from shared.errors import UpstreamError
from shared.tickets.dates.dated import dated_row
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.features import COMPLETION_DATE, FeatureReader
from shared.tickets.master_data import MasterData
from shared.tickets.master_lists import STATUSES
from shared.tickets.models import TicketRow
from shared.tickets.statuses import completed_ids
from shared.time_zones import machine_zone, utc_now


class TicketCalendar:
    """Gives the time in `zone`, or else in the zone that the ticket API names, or else in that of this machine.

    Args:
        features: what the ticket API says about itself.
        master: its master data.
        completed: id of the status that means completed.
        zone: the zone of arguments and results, if it is set.
        clock: returns the current time, timezone-aware.
    """

    def __init__(
        self,
        features: FeatureReader,
        master: MasterData,
        *,
        completed: str,
        zone: tzinfo | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._features = features
        self._master = master
        self._completed = completed
        self._zone = zone
        self._machine_zone = machine_zone()
        self._clock = clock

    async def time(self) -> TicketTime:
        """Return the time of a call. Never raises."""
        api_zone = await self._features.time_zone()
        return TicketTime(self._clock().astimezone(self._zone or api_zone or self._machine_zone), api_zone)

    async def dated_rows(self, rows: Sequence[TicketRow], shown: Collection[str]) -> list[TicketRow]:
        """Return `rows` with the days left as counted here, and whether they are completed, where that is known.

        Moments of the columns `shown` are in the zone of results.

        The existing API counts the days on its own clock, also for completed tickets.

        Never raises.
        """
        completed = await self._completed_names() if rows else frozenset()
        at = await self.time()
        return [dated_row(row, at, completed, shown) for row in rows]

    async def completion_day(self, values: Mapping[str, Any], held: str | None) -> dict[str, str]:
        """Return the completion date of a ticket that becomes completed, if the API would fill in another day.

        Args:
            values: the values to write, by the API's field names.
            held: the completion date that the ticket has.
        """
        if held or values.get("statusId") != self._completed or "completionDate" in values:
            return {}
        at = await self.time()
        if not at.api_is_on_another_day or not await self._features.has(COMPLETION_DATE):
            return {}
        return {"completionDate": str(at.today)}

    async def _completed_names(self) -> frozenset[str]:
        """Return the names of the statuses that mean completed, as far as they are known."""
        try:
            statuses = (await self._master.lists())[STATUSES]
        except UpstreamError:
            return frozenset()
        completed = completed_ids(statuses, self._completed)
        return frozenset(one.name for one in statuses if one.id in completed)
