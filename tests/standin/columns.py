"""The columns of the existing API's tables: how each stores a value from JSON.

Every value is stored in the form in which the API returns it, so rows need no second form.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, DecimalException
from functools import partial
from types import MappingProxyType
from typing import Any, Final

# An id column: the table it references, and the column with a copy of the name found there.
REFERENCES: Final = MappingProxyType({
    "requestorId": ("users", "requestorName"),
    "accountId": ("accounts", "accountName"),
    "categoryId": ("categories", "categoryName"),
    "categoryDetailId": ("category-details", "categoryDetailName"),
    "requestChannelId": ("request-channels", "requestChannelName"),
    "personInChargeId": ("users", "personInChargeName"),
    "statusId": ("statuses", "statusName"),
    "responseCategoryId": ("response-categories", "responseCategoryName"),
})  # fmt: skip
DATES: Final = ("scheduledCompletionDate", "completionDate")


class DatabaseError(Exception):
    """PostgreSQL refused a value. The API returns the same 500 for all of these."""


def as_text(value: object, longest: float = math.inf) -> str:
    """Return a text column. Raises: DatabaseError, also for characters that PostgreSQL cannot hold."""
    text = value if isinstance(value, str) else json.dumps(value)
    if len(text) > longest or re.search("[\0\ud800-\udfff]", text):
        raise DatabaseError("value too long, or invalid byte sequence")
    return text


def as_date(value: object) -> str:
    """Return a date column's `YYYY-MM-DD`. Raises: DatabaseError."""
    try:
        return date.fromisoformat(as_text(value)).isoformat()
    except ValueError as error:
        raise DatabaseError("invalid input syntax for type date") from error


def as_minute(value: object) -> str:
    """Return a timestamp column's `YYYY-MM-DD HH:MM`; the time zone of this server is UTC. Raises: DatabaseError."""
    try:
        moment = datetime.fromisoformat(as_text(value))
    except ValueError as error:
        raise DatabaseError("invalid input syntax for type timestamp") from error
    return f"{moment.astimezone(UTC) if moment.tzinfo else moment:%Y-%m-%d %H:%M}"


def as_hours(value: object) -> str:
    """Return a `numeric(5,1)` as the driver returns it: a string. Raises: DatabaseError."""
    try:
        hours = Decimal(as_text(value)).quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
        fits = abs(hours) <= Decimal("9999.9")
    except DecimalException as error:
        raise DatabaseError("invalid input syntax for type numeric") from error
    if not fits:
        raise DatabaseError("numeric field overflow")
    return str(hours)


def as_boolean(value: object) -> bool:
    """Return a boolean column. Raises: DatabaseError."""
    text = as_text(value).lower()
    if text not in {"true", "false"}:
        raise DatabaseError("invalid input syntax for type boolean")
    return text == "true"


# How a column that is not an id stores a value; WRITABLE is the order in which changes are recorded.
COLUMNS: Final[Mapping[str, Callable[[object], Any]]] = MappingProxyType({
    "summary": partial(as_text, longest=200),
    "externalTicketId": partial(as_text, longest=50),
    **dict.fromkeys(("description", "responseDetails", "remarks"), as_text),
    **dict.fromkeys(DATES, as_date),
    "actualEffortHours": as_hours,
    "hasDefect": as_boolean,
})  # fmt: skip
WRITABLE: Final = (*REFERENCES, *COLUMNS)


def javascript_date(day: str) -> str:
    """Return `YYYY-MM-DD` in the form of `String(new Date(day))` on a server in UTC."""
    return f"{date.fromisoformat(day):%a %b %d %Y} 00:00:00 GMT+0000 (Coordinated Universal Time)"


def recorded(field: str, value: Any) -> str | None:
    """Return an old value as the history shows it: as text, with dates converted by a JavaScript `Date`."""
    if value is None:
        return None
    return javascript_date(value) if field in DATES else as_text(value)
