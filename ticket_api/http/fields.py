"""The types of values that the API accepts, each with its validation, its error message and its JSON schema.

Stricter than pydantic alone: a date is `YYYY-MM-DD` and nothing that merely converts to one, true is `true`.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from ticket_api.store.search.folding import MAX_WORDS
from ticket_api.times import parse_minute, parse_moment

_NO_NUL: Final = r"^[^\x00]*$"  # PostgreSQL cannot store U+0000
BLANK: Final = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"
"""Spelled out because `\\s` differs between Python and the document's regular expressions (ECMA-262)."""
_NOT_BLANK: Final = rf"^[^\x00]*[^{BLANK}\x00][^\x00]*$"
MOST_TENTHS: Final = 99_999
"""The most hours that a ticket can have, in tenths."""
MOST_ENTRIES: Final = 2**31 - 1
"""The largest id of a history entry."""


def refuse(sentence: str, **more: Any) -> PydanticCustomError:
    """Return the error of a value; `sentence` follows the name of its field.

    `more` may hold `field`, if the error belongs to another field than where it is raised, and `allowed`.
    """
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence, **more})


def _day(value: Any) -> date:
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII):
        with suppress(ValueError):
            return date.fromisoformat(value)
    raise refuse("must be a valid date, written YYYY-MM-DD")


def _minute(value: Any) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError):
            return parse_minute(value)
    raise refuse("must be a date and a time, written YYYY-MM-DD HH:MM")


def _edge_of_day(edge: time) -> Callable[[Any], datetime]:
    """Return what reads the wall-clock minute at one end of a range; a day alone means its `edge`."""

    def read(value: Any) -> datetime:
        if isinstance(value, str):
            with suppress(ValueError):
                whole = re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)
                minute = datetime.combine(date.fromisoformat(value), edge) if whole else parse_minute(value)
                if minute.tzinfo is None:
                    return minute
        raise refuse("must be a day or a minute of the office's clock, written YYYY-MM-DD or YYYY-MM-DD HH:MM")

    return read


def _moment(value: Any) -> datetime:
    if isinstance(value, str):
        with suppress(ValueError):
            return parse_moment(value)
    raise refuse("must be a moment with its offset, for example 2026-11-20T03:04:05Z (in a URL, write + as %2B)")


def _tenths(value: Any) -> int:
    """Return hours in tenths. Accepts 0.30000000000000004, which many clients get by adding 0.1 three times."""
    if isinstance(value, int | float | str) and not isinstance(value, bool):
        with suppress(ArithmeticError, ValueError):
            tenths = Decimal(value if isinstance(value, str) else repr(value)) * 10
            if 0 <= tenths <= MOST_TENTHS and abs(tenths - round(tenths)) < Decimal("1e-6"):
                return round(tenths)
    raise refuse("must be hours from 0 to 9999.9 with at most one decimal")


def _more_tenths(value: Any) -> int:
    """Return an increment of hours in tenths."""
    with suppress(PydanticCustomError):
        if (tenths := _tenths(value)) > 0:
            return tenths
    raise refuse("must be hours from 0.1 to 9999.9 with at most one decimal")


def _entry_id(value: Any) -> int:
    """Return a number of JSON that is whole; 1.0 is, in JSON Schema too."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= value <= MOST_ENTRIES and value == int(value):
        return int(value)
    raise refuse(f"must be a whole number from 0 to {MOST_ENTRIES}")


def _whole(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value, re.ASCII):
        return int(value)
    raise refuse("must be a whole number")


def _truth(value: Any) -> bool:
    if value not in {"true", "false"}:
        raise refuse("must be true or false")
    return bool(value == "true")


def _hours(least: float, pattern: str) -> WithJsonSchema:
    number = {"type": "number", "minimum": least, "maximum": MOST_TENTHS / 10, "multipleOf": 0.1}
    return WithJsonSchema({"anyOf": [number, {"type": "string", "pattern": pattern}], "examples": [3.5]})


Id = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=_NO_NUL)]
Summary = Annotated[str, StringConstraints(max_length=200, pattern=_NOT_BLANK)]
Text = Annotated[str, StringConstraints(max_length=50_000, pattern=_NOT_BLANK)]
Reference = Annotated[str, StringConstraints(max_length=50, pattern=_NO_NUL)]
Remark = Annotated[str, StringConstraints(max_length=50_000, pattern=_NO_NUL)]
SearchText = Annotated[str, StringConstraints(max_length=200, pattern=_NO_NUL)]
SearchWords = Annotated[
    str,
    StringConstraints(max_length=200, pattern=rf"^[{BLANK}]*(?:[^{BLANK}\x00]+(?:[{BLANK}]+|$)){{0,{MAX_WORDS}}}$"),
]
FileName = Annotated[str, StringConstraints(max_length=255, pattern=_NOT_BLANK)]
FileUrl = Annotated[
    str,
    StringConstraints(max_length=2000, pattern=rf"^https?://[^{BLANK}\x00-\x20\x7f/?#]+[^{BLANK}\x00-\x20\x7f]*$"),
]

Day = Annotated[
    date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-12-01"]})
]
Minute = Annotated[
    datetime,
    BeforeValidator(_minute),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[ T]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?"
            r"(Z|[+-]\d{2}:\d{2})?$",
            "examples": ["2026-11-22 09:30"],
        }
    ),
]
_DAY_OR_MINUTE: Final = WithJsonSchema(
    {
        "type": "string",
        "pattern": r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([ T]([01]\d|2[0-3]):[0-5]\d)?$",
        "examples": ["2026-11-22", "2026-11-22 09:30"],
    }
)
DayOrMinuteFrom = Annotated[datetime, BeforeValidator(_edge_of_day(time(0, 0))), _DAY_OR_MINUTE]
DayOrMinuteTo = Annotated[datetime, BeforeValidator(_edge_of_day(time(23, 59))), _DAY_OR_MINUTE]
"""The two ends of a range, both included, on the office's clock; a day is included as a whole."""
Moment = Annotated[
    datetime,
    BeforeValidator(_moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T03:04:05.678Z"]}),
]
Hours = Annotated[int, BeforeValidator(_tenths), _hours(0, r"^\d{1,4}(\.\d)?$")]
MoreHours = Annotated[int, BeforeValidator(_more_tenths), _hours(0.1, r"^(?=.*[1-9])\d{1,4}(\.\d)?$")]
"""Hours are sent as a number or as the string that the API returns, and are stored in tenths."""

EntryId = Annotated[
    int,
    BeforeValidator(_entry_id),
    WithJsonSchema({"type": "integer", "minimum": 0, "maximum": MOST_ENTRIES, "examples": [57]}),
]
"""The id of a history entry in a body; 0 stands for none."""

QueryWhole = Annotated[int, BeforeValidator(_whole)]
QueryLimit = Annotated[int, Field(ge=1, le=200), BeforeValidator(_whole)]
QueryEntry = Annotated[int, Field(ge=0, le=MOST_ENTRIES), BeforeValidator(_whole)]
"""With bounds that also show in the document where the parameter has no default."""
QueryTruth = Annotated[bool, BeforeValidator(_truth)]
