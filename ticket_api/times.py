"""Times and dates of the API.

Two kinds, never mixed: a *moment* is timezone-aware (history, attachments, idempotency keys); a *wall-clock minute* has
no time zone (`receptionDateTime` and every date), because users mean the clock of their office: the time zone of the
deployment, which `/health` names. The clock of the app gives moments in that zone.
"""

import re
from datetime import UTC, datetime
from typing import Final

_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 30, tzinfo=UTC)
"""Moments between these are on the calendar in every zone."""
MINUTE: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?", re.ASCII)
MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)


def wall_clock(moment: datetime) -> datetime:
    """Return the wall-clock minute of `moment` in its own zone, which is the office's for every time of the clock."""
    return moment.replace(tzinfo=None, second=0, microsecond=0, fold=0)


def parse_minute(text: str) -> datetime:
    """Parse `YYYY-MM-DD HH:MM`, also with `T`, seconds or an offset; without an offset, it has no time zone.

    Raises:
        ValueError: the format is wrong, or there is no such time.
    """
    if not MINUTE.fullmatch(text):
        raise ValueError("not a date and a time")
    return _parse(text).replace(second=0, microsecond=0)


def parse_moment(text: str) -> datetime:
    """Parse a moment in ISO 8601: a date, a time and an offset (`Z` or `+09:00`).

    Raises:
        ValueError: the format is wrong, or there is no such moment.
    """
    if not MOMENT.fullmatch(text):
        raise ValueError("not a moment")
    return _parse(text)


def _parse(text: str) -> datetime:
    time = datetime.fromisoformat(re.sub(r"(\.\d{1,6})\d*", r"\1", text))  # Python 3.11 parses at most microseconds
    if time.tzinfo is not None and not _FIRST <= time <= _LAST:
        raise ValueError("outside the calendar")
    return time


def end_of_millisecond(moment: datetime) -> datetime:
    """Return the last moment that is shown as `moment` is: moments are stored to the microsecond."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000 + 999)


def show_minute(minute: datetime) -> str:
    """Return `YYYY-MM-DD HH:MM`; unlike `strftime`, with four digits of every year on every system."""
    return minute.isoformat(sep=" ", timespec="minutes")


def show_moment(moment: datetime) -> str:
    """Return ISO 8601 in UTC with milliseconds, as JavaScript writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
