"""Times and dates of the API.

Two kinds, never mixed: a *moment* is timezone-aware (history, attachments, idempotency keys); a *wall-clock minute* has
no time zone (`receptionDateTime` and every date), because users mean the clock of the office where the server is.
"""

import re
from datetime import UTC, datetime
from typing import Final

MINUTE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)


def utc_now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


def wall_clock(moment: datetime) -> datetime:
    """Return the server's local time at `moment`, without a time zone, truncated to the minute."""
    return moment.astimezone().replace(tzinfo=None, second=0, microsecond=0)


def parse_minute(text: str) -> datetime:
    """Parse `YYYY-MM-DD HH:MM`, also with `T`, seconds or an offset, into a wall-clock minute of the server.

    Raises:
        ValueError: the format is wrong, or there is no such time.
    """
    if not MINUTE.fullmatch(text):
        raise ValueError("not a date and a time")
    seconds = re.sub(r"(\.\d{1,6})\d*", r"\1", text)  # Python 3.11 parses at most microseconds
    moment = datetime.fromisoformat(seconds)
    try:
        return wall_clock(moment) if moment.tzinfo else moment.replace(second=0, microsecond=0)
    except OverflowError as error:  # an offset moves it out of the supported range: 0001-01-01T00:00+14:00
        raise ValueError("outside the calendar") from error


def show_minute(minute: datetime) -> str:
    """Return `YYYY-MM-DD HH:MM`; unlike `strftime`, with four digits of every year on every system."""
    return minute.isoformat(sep=" ", timespec="minutes")


def show_moment(moment: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds, as JavaScript writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
