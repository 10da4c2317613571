"""Reads the header `Retry-After`: seconds, or a date (RFC 9110, section 10.2.3). Pure."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from shared.localization import localized

MAX_S: Final = 24 * 3600.0
"""A longer wait is no advice for a caller, so it is left out."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")


def retry_after_s(value: str, *, now: datetime) -> float | None:
    """Return how many seconds to wait; None without a usable value.

    Args:
        value: of the header; empty without the header.
        now: the current time, in UTC.
    """
    text = value.strip()
    if _SECONDS.fullmatch(text):
        seconds = float(text)
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds()
    return seconds if 0 < seconds <= MAX_S else None


def in_a_while(seconds: float | None) -> str:
    """Return when to try again, for a sentence: `in 30 s`, `in 15 min`, or `in a moment` if that is not known."""
    if seconds is None:
        return localized("in a moment")
    whole = max(1, round(seconds))
    return localized("in {n} s", n=whole) if whole < 120 else localized("in {n} min", n=-(-whole // 60))
