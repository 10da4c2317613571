"""Reads the dates and moments of arguments: every spelling of ISO 8601, and words. Pure.

Never a guess: a text with several readings, a day that does not exist and a minute that the clocks skip are refused.
A moment with an offset is converted to the zone of `TicketTime`; one without is in that zone.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import Final

from shared.localization import localized
from shared.tickets.dates.relative_days import NOW, moved_by_clock, relative_days
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.dates.written_days import weekday_name, written_days
from shared.time_zones import zone_named

MAX_LENGTH: Final = 100
A_DAY: Final = "must be a day, for example 2026-12-01, today or +3d"
A_MOMENT: Final = "must be a moment, for example 2026-12-01 09:30, 2026-12-01T09:30+09:00 or now"
_OUTSIDE: Final = "is outside the calendar; write a day such as 2026-12-01"
_NO_SUCH_TIME: Final = "names a time that does not exist; write one such as 2026-12-01 09:30"
_HYPHENS: Final = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
_QUOTES: Final = "\"'`“”‘’「」『』 "
_SECONDS: Final = r"(?P<s>\d\d)(?:[.,]\d{1,12})?"
_OFFSET: Final = (
    r"(?: ?(?:utc|gmt)?(?P<sign>[+-])(?P<oh>\d\d?)(?::?(?P<om>\d\d))?| ?(?P<known>z|utc|gmt|jst))?"
    r"(?: \([^()]*\))?(?: ?\[(?P<zone>[\w/+-]+)\]| (?P<city>[a-z_]+/[\w/+-]+))?"
)
_TIMES: Final = tuple(
    re.compile(rf"(?P<day>.+?){form}{_OFFSET}", re.ASCII | re.IGNORECASE)
    for form in (
        rf"(?:t|,? | at |の)(?P<h>\d\d?):(?P<m>\d\d)(?::{_SECONDS}|[.,]\d{{1,12}})?",
        rf"(?:t| )(?P<h>\d\d)(?P<m>\d\d)(?:{_SECONDS})?",
        r"t(?P<h>\d\d)",
        r"(?:,? | at )(?P<h>\d\d?)(?::(?P<m>\d\d))? ?(?P<half>am|pm|a\.m\.|p\.m\.)",
        r"(?: |の)?(?P<half>午前|午後)? ?(?P<h>\d\d?)"
        r"(?::(?P<m>\d\d)|時(?:(?P<jm>\d\d?)分(?:(?P<s>\d\d?)秒)?|(?P<jhalf>半))?)",
    )
)
_KNOWN: Final = {"z": UTC, "utc": UTC, "gmt": UTC, "jst": timezone(timedelta(hours=9))}


class AmbiguousError(ValueError):
    """A text has several readings: `allowed`."""

    def __init__(self, readings: Iterable[str]) -> None:
        self.allowed = tuple(dict.fromkeys(readings))
        super().__init__(localized("is ambiguous; give one of these"))


@dataclass(frozen=True, slots=True)
class DateValue:
    """What was read: the day or the minute on the ticket API's clock, and what the caller should know about it."""

    text: str
    note: str = ""
    moving: str = ""
    """The words, if they mean another minute soon: `now`, `2 hours ago`."""


@dataclass(frozen=True, slots=True)
class _Spelled:
    """The readings of a text: days, a time of day, and where that time is meant."""

    days: tuple[date, ...]
    is_relative: bool
    clock: time | None = None
    offset: tzinfo | None = None
    zone: tzinfo | None = None
    ends_day: bool = False
    """Whether the time was 24:00."""


def read_day(text: str, at: TicketTime, *, past: bool = False) -> DateValue:
    """Return a day as YYYY-MM-DD; of a moment with an offset, the day in the zone shown.

    Args:
        text: the argument.
        at: the time of the call.
        past: whether the field lies in the past, so that `monday` is the last one.

    Raises:
        ValueError: it cannot be read, does not exist, or is ambiguous; the message follows the name of the field.
    """
    words = _cleaned(text)
    clocked = moved_by_clock(words.lower(), at.now)
    spelled = (
        _spelled(words, at, past=past, expected=localized(A_DAY))
        if clocked is None
        else _Spelled((clocked.date(),), True)
    )
    days = [_day_of(day, spelled, at) for day in spelled.days]
    if len(set(days)) > 1:
        raise AmbiguousError(map(str, days))
    if spelled.is_relative:
        note = localized("“{words}” is {weekday}, {day}", words=words, weekday=weekday_name(days[0]), day=days[0])
        return DateValue(str(days[0]), note)
    has_time = spelled.clock not in {None, time()}
    return DateValue(str(days[0]), localized("only the day counts, {day}", day=days[0]) if has_time else "")


def read_minute(text: str, at: TicketTime, *, past: bool = True) -> DateValue:
    """Return a minute as YYYY-MM-DD HH:MM on the ticket API's clock; a day alone begins at 00:00.

    Arguments and errors are those of `read_day`.
    """
    words = _cleaned(text)
    if words.lower() in NOW:
        return DateValue(at.stored(at.now), moving="now")
    if (clocked := moved_by_clock(words.lower(), at.now)) is not None:
        return DateValue(at.stored(clocked), moving=words)
    spelled = _spelled(words, at, past=past, expected=localized(A_MOMENT))
    moments = [one for day in spelled.days for one in _moments(day, spelled, at)]
    stored = list(dict.fromkeys(map(at.stored, moments)))
    if len(stored) > 1:
        raise AmbiguousError(_with_offset(one) if len(spelled.days) == 1 else at.shown(one) for one in moments)
    note = ""
    if spelled.is_relative or spelled.clock is None:
        note = localized("“{words}” was read as {moment}", words=words, moment=at.shown(moments[0]))
    if _occurs_twice(moments[0].astimezone(at.api_zone or at.zone)):
        twice = localized(
            "{moment} occurs twice because the clocks go back; the ticket system stores no offset", moment=stored[0]
        )
        note = localized("{note}; {more}", note=note, more=twice) if note else twice
    return DateValue(stored[0], note)


def read_since(text: str, at: TicketTime) -> DateValue:
    """Return a minute as ISO 8601 in UTC, for example 2026-12-01T00:30:00Z; a day alone begins at 00:00.

    Arguments and errors are those of `read_day`.
    """
    read = read_minute(text, replace(at, api_zone=UTC))
    return replace(read, text=f"{read.text.replace(' ', 'T')}:00Z")


def read_until(text: str, at: TicketTime) -> DateValue:
    """Return the last millisecond of a minute, or of a day alone, as ISO 8601 in UTC.

    Arguments and errors are those of `read_day`.
    """
    words = _cleaned(text)
    alone = None if words.lower() in NOW else _days(words, at, past=True)
    if alone is not None and len(alone.days) == 1:
        words = f"{alone.days[0]} 23:59"
    read = read_minute(words, replace(at, api_zone=UTC))
    return replace(read, text=f"{read.text.replace(' ', 'T')}:59.999Z")


def _cleaned(text: str) -> str:
    """Return `text` without differences that mean nothing: full width, invisible characters, blanks, quotes."""
    plain = unicodedata.normalize("NFKC", text[: MAX_LENGTH * 4]).translate(_HYPHENS)
    visible = "".join(sign for sign in plain if unicodedata.category(sign) != "Cf")
    return " ".join(visible.split()).strip(_QUOTES)


def _spelled(words: str, at: TicketTime, *, past: bool, expected: str) -> _Spelled:
    """Return the readings of `words`. Raises: ValueError: the words have no reading, or name no date that exists."""
    if not words or len(words) > MAX_LENGTH:
        raise ValueError(expected)
    try:
        if (alone := _days(words, at, past=past)) is not None:
            return alone
        for form in _TIMES:
            found = form.fullmatch(words)
            if found and (spelled := _days(found["day"], at, past=past)) is not None:
                return _with_time(spelled, found)
    except OverflowError:
        raise ValueError(localized(_OUTSIDE)) from None
    raise ValueError(expected)


def _days(words: str, at: TicketTime, *, past: bool) -> _Spelled | None:
    text = words.strip().lower()
    if days := written_days(text, at.today, past=past):
        return _Spelled(days, is_relative=False)
    if days := relative_days(text, at.now, past=past):
        return _Spelled(days, is_relative=True)
    return None


def _with_time(spelled: _Spelled, found: re.Match[str]) -> _Spelled:
    parts = {name: value for name, value in found.groupdict().items() if value is not None}
    hour = _hour(int(parts["h"]), parts.get("half", "").lower()[:2])
    minute = 30 if "jhalf" in parts else int(parts.get("m", parts.get("jm", "0")))
    second = int(parts.get("s", "0"))
    ends_day = (hour, minute, second) == (24, 0, 0)
    if (hour > 23 and not ends_day) or minute > 59 or second > 60:
        raise ValueError(localized(_NO_SUCH_TIME))
    clock = time(0 if ends_day else hour, minute)
    return _Spelled(spelled.days, spelled.is_relative, clock, _offset(parts), _zone(parts), ends_day)


def _hour(hour: int, half: str) -> int:
    """Return the hour from 0 to 23 of one in half a day."""
    if not half:
        return hour
    if half in {"午前", "午後"} and hour == 12:
        raise ValueError(localized("can mean 00:00 or 12:00; write the time as in 2026-12-01 12:00"))
    if hour > 12:
        raise ValueError(localized(_NO_SUCH_TIME))
    return hour % 12 + (12 if half in {"pm", "p.", "午後"} else 0)


def _offset(parts: Mapping[str, str]) -> tzinfo | None:
    if "sign" not in parts:
        return _KNOWN.get(parts.get("known", "").lower())
    hours, minutes = int(parts["oh"]), int(parts.get("om", "0"))
    if hours > 23 or minutes > 59:
        raise ValueError(localized("has an offset that does not exist; write it as in 2026-12-01 09:30+09:00"))
    size = timedelta(hours=hours, minutes=minutes)
    return timezone(size if parts["sign"] == "+" else -size)


def _zone(parts: Mapping[str, str]) -> tzinfo | None:
    name = parts.get("zone", parts.get("city"))
    try:
        return None if name is None else zone_named(name)
    except ValueError:
        raise ValueError(
            localized("names an unknown time zone; write an offset as in 2026-12-01 09:30+09:00")
        ) from None


def _day_of(day: date, spelled: _Spelled, at: TicketTime) -> date:
    if spelled.offset is None and spelled.zone is None:
        return day
    return _moments(day, spelled, at)[0].astimezone(at.zone).date()


def _moments(day: date, spelled: _Spelled, at: TicketTime) -> tuple[datetime, ...]:
    """Return the moments at which the clocks show a time: one, or two when they go back."""
    zone = spelled.offset or spelled.zone or at.zone
    wall = datetime.combine(day, spelled.clock or time())
    try:
        wall += timedelta(days=1 if spelled.ends_day else 0)
        first, second = wall.replace(tzinfo=zone), wall.replace(tzinfo=zone, fold=1)
        exists = first.astimezone(UTC).astimezone(zone)
        if exists.replace(tzinfo=None, fold=0) != wall:
            text = localized("names a time that the clocks skip; one that exists is {moment}", moment=_minute(exists))
            raise ValueError(text)
        if spelled.zone and first.astimezone(spelled.zone).utcoffset() != first.utcoffset():
            raise ValueError(
                localized("has an offset that its time zone does not have then; write it as in 2026-12-01 09:30+09:00")
            )
        return (first, second) if _occurs_twice(first) else (first,)
    except OverflowError:
        raise ValueError(localized(_OUTSIDE)) from None


def _occurs_twice(moment: datetime) -> bool:
    earlier, later = moment.replace(fold=0).utcoffset(), moment.replace(fold=1).utcoffset()
    return earlier is not None and later is not None and earlier > later


def _minute(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "minutes")


def _with_offset(moment: datetime) -> str:
    return moment.isoformat(" ", "minutes")
