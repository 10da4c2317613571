"""Moments and days as the API speaks of them.

Two kinds, never mixed: a *moment* is aware (history, attachments, idempotency keys), and a *wall-clock minute* has no
zone (`receptionDateTime` and every date), because people mean the clock of the office where the server stands.
"""

import re
from datetime import UTC, datetime
from typing import Final

MINUTE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)


def utc_now() -> datetime:
    """Return this moment, aware, in UTC."""
    return datetime.now(UTC)


def wall_clock(moment: datetime) -> datetime:
    """Return what the server's own clock showed at `moment`, without a zone, cut to the minute."""
    return moment.astimezone().replace(tzinfo=None, second=0, microsecond=0)


def parse_minute(text: str) -> datetime:
    """Read `YYYY-MM-DD HH:MM`, also with `T`, seconds or an offset, as a wall-clock minute of the server.

    Raises:
        ValueError: it is written differently, or there is no such moment.
    """
    if not MINUTE.fullmatch(text):
        raise ValueError("not a date and a time")
    seconds = re.sub(r"(\.\d{1,6})\d*", r"\1", text)  # Python 3.11 reads no more than microseconds
    moment = datetime.fromisoformat(seconds)
    try:
        return wall_clock(moment) if moment.tzinfo else moment.replace(second=0, microsecond=0)
    except OverflowError as error:  # an offset that leaves the calendar: 0001-01-01T00:00+14:00
        raise ValueError("outside the calendar") from error


def show_minute(minute: datetime) -> str:
    """Return `YYYY-MM-DD HH:MM`; unlike `strftime`, with four digits of every year on every system."""
    return minute.isoformat(sep=" ", timespec="minutes")


def show_moment(moment: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds, as JavaScript writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
