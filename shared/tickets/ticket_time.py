"""The time of one call: now in the one zone of arguments and results, and the clock of the ticket system.

A ticket API stores `receptionDateTime` as a wall-clock minute in its own zone, its other moments in UTC. If it does not
name its zone, its clock is taken to be that of the zone shown.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from typing import Final

from shared.time_zones import abbreviation, machine_zone

_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(?::\d\d(?:\.\d{1,12})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class TicketTime:
    """The time of one call. `now` is in the zone shown; `api_zone` is the one that the ticket API names."""

    now: datetime
    api_zone: tzinfo | None = None

    @classmethod
    def of_machine(cls) -> "TicketTime":
        """Return the time of this machine."""
        return cls(datetime.now(UTC).astimezone(machine_zone()))

    @property
    def zone(self) -> tzinfo:
        """The zone of arguments and results."""
        return self.now.tzinfo or UTC

    @property
    def today(self) -> date:
        """The day in the zone shown."""
        return self.now.date()

    @property
    def api_is_on_another_day(self) -> bool:
        """Whether the ticket API, in its own zone, is on another day than the zone shown."""
        return self.now.astimezone(self.api_zone or self.zone).date() != self.today

    @property
    def as_of(self) -> str:
        """The current minute and its zone, for example `2026-11-28 22:35 JST`."""
        return f"{self._minute(self.now)} {abbreviation(self.now)}"

    def stored(self, moment: datetime) -> str:
        """Return a timezone-aware moment as the ticket API stores it: a minute on its own clock."""
        return self._minute(moment.astimezone(self.api_zone or self.zone))

    def shown(self, moment: datetime) -> str:
        """Return a timezone-aware moment as a minute in the zone shown."""
        return self._minute(moment.astimezone(self.zone))

    def shown_minute(self, text: str) -> str:
        """Return a minute on the ticket API's clock as a minute in the zone shown; other texts unchanged."""
        return self._shown(text, self.api_zone or self.zone)

    def shown_moment(self, text: str) -> str:
        """Return ISO 8601, in UTC unless it has an offset, as a minute in the zone shown; other texts unchanged."""
        return self._shown(text, UTC)

    def days_left(self, due: str) -> int | None:
        """Return the calendar days until a day as text, negative if it is overdue; None for other texts."""
        try:
            return (date.fromisoformat(due[:10]) - self.today).days
        except ValueError:
            return None

    def _shown(self, text: str, zone: tzinfo) -> str:
        found = _ISO.fullmatch(text.strip())
        if found is None:
            return text
        try:
            moment = datetime.fromisoformat(f"{found[1]} {found[2]}{(found[3] or '').upper()}")
            return self.shown(moment if moment.tzinfo else moment.replace(tzinfo=zone))
        except (ValueError, OverflowError):
            return text

    @staticmethod
    def _minute(moment: datetime) -> str:
        return moment.replace(tzinfo=None).isoformat(" ", "minutes")  # `strftime` shortens the years before 1000
