"""Reads days relative to today, in English and Japanese: `tomorrow`, `+3d`, `next monday`, `来週月曜`, `3日後`. Pure.

A function returns every reading of a text: none if it is no such text, one if it is clear, several if it is contested.
What people understand differently: "next Friday" (the coming one, or that of next week), whether a week begins on
Monday or Sunday, and `しあさって`.
"""

import calendar
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

from shared.localization import localized
from shared.tickets.dates.written_days import KANJI_WEEKDAYS, WEEKDAY, existing_day, weekday_number

_DAYS: Final = MappingProxyType({
    name: number
    for number, names in {
        -2: "the day before yesterday|day before yesterday|一昨日|おととい|おとつい",
        -1: "yesterday|昨日|きのう",
        0: "today|now|今日|本日|きょう|今|いま|現在|ただいま|只今",
        1: "tomorrow|明日|あした|あす",
        2: "the day after tomorrow|day after tomorrow|明後日|あさって",
        3: "明々後日|明明後日",
    }.items()
    for name in names.split("|")
})  # fmt: skip
NOW: Final = frozenset({"now", "今", "いま", "現在", "ただいま", "只今"})
_OUTSIDE: Final = "is outside the calendar; write a day such as 2026-12-01"
_CONTESTED: Final = MappingProxyType({"しあさって": (3, 4), "弥の明後日": (3, 4), "やのあさって": (3, 4)})
_NUMBERS: Final = MappingProxyType(
    {
        **{
            word: number
            for number, word in enumerate(
                ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"], 1
            )
        },
        **{word: number for number, word in enumerate("一二三四五六七八九十", 1)},
        "a": 1,
        "an": 1,
    }
)
_UNITS: Final = MappingProxyType({
    name: unit
    for unit, names in {
        "days": "d|day|days|日|日間",
        "weeks": "w|week|weeks|週|週間",
        "months": "mo|month|months|か月|ヶ月|カ月|ヵ月|ケ月|箇月",
        "years": "y|year|years|年|年間",
        "hours": "h|hr|hrs|hour|hours|時間",
        "minutes": "min|mins|minute|minutes|分|分間",
    }.items()
    for name in names.split("|")
})  # fmt: skip
_UNIT: Final = "|".join(sorted(map(re.escape, _UNITS), key=len, reverse=True))
_COUNT: Final = rf"(?P<n>\d{{1,5}}|{'|'.join(_NUMBERS)}) ?(?P<unit>{_UNIT})"
_DISTANCES: Final = tuple(
    (sign, re.compile(form))
    for sign, form in (
        (1, rf"\+ ?{_COUNT}"),
        (-1, rf"- ?{_COUNT}"),
        (1, rf"in {_COUNT}"),
        (1, rf"{_COUNT} (?:from (?:now|today)|later|hence)"),
        (-1, rf"{_COUNT} (?:ago|earlier)"),
        (1, rf"{_COUNT}(?:後|あと)"),
        (-1, rf"{_COUNT}(?:前|まえ)"),
    )
)
_WEEKS: Final = MappingProxyType(
    {"last": -1, "this": 0, "next": 1, "先々週": -2, "先週": -1, "今週": 0, "来週": 1, "翌週": 1, "再来週": 2}
)
_IN_WEEK: Final = tuple(
    re.compile(form)
    for form in (
        rf"(?P<week>last|this|next) week(?:'s)?,? (?:on )?(?P<day>{WEEKDAY})",
        rf"(?P<day>{WEEKDAY})(?: of|,)? (?P<week>last|this|next) week",
        rf"(?P<week>先々週|先週|今週|来週|翌週|再来週)の?(?P<day>[{KANJI_WEEKDAYS}])曜日?",
    )
)
_NEAR: Final = MappingProxyType(
    {
        "next": "next",
        "次の": "next",
        "次": "next",
        "今度の": "next",
        "last": "last",
        "この前の": "last",
        "前の": "last",
        "this": "this",
        "coming": "",
        "": "",
    }
)
_WEEKDAY: Final = (
    re.compile(rf"(?:on )?(?P<which>(?:next|last|this|(?:the )?coming)?) ?(?P<day>{WEEKDAY})"),
    re.compile(rf"(?P<which>(?:次の?|今度の|この前の|前の)?)(?P<day>[{KANJI_WEEKDAYS}])曜日?"),
)
_MONTHS: Final = MappingProxyType(
    {
        "last": -1,
        "this": 0,
        "the": 0,
        "": 0,
        "next": 1,
        "先月": -1,
        "今月": 0,
        "当月": 0,
        "来月": 1,
        "翌月": 1,
        "再来月": 2,
    }
)
_IN_MONTH: Final = tuple(
    re.compile(form)
    for form in (
        r"(?:the )?(?P<last>end|last day) of (?P<month>last |this |the |next |)month",
        r"(?:the )?(?:start|beginning|first day) of (?P<month>last |this |the |next )month",
        r"(?P<last>eom|month[ -]end|end of (?P<month>)month)",
        r"(?P<month>先月|今月|当月|来月|翌月|再来月|)の?(?P<last>月?末日?)",
        r"(?P<month>先月|今月|当月|来月|翌月|再来月)の?(?P<number>\d{1,2})日",
    )
)


_IS_WEEK: Final = re.compile(r" week$|週$")
_IS_MONTH: Final = re.compile(r" month$|月$")


def relative_days(text: str, now: datetime, *, past: bool) -> tuple[date, ...]:
    """Return the readings of a relative day; `past` says whether a weekday alone lies before or after `now`."""
    today = now.date()
    if text in _DAYS:
        return (today + timedelta(days=_DAYS[text]),)
    if text in _CONTESTED:
        return tuple(today + timedelta(days=days) for days in _CONTESTED[text])
    return (
        _by_days(text, today)
        or _by_months(text, today)
        or _by_weekday(text, today, past=past)
        or _in_month(text, today)
        or _whole_period(text, today)
    )


def moved_by_clock(text: str, now: datetime) -> datetime | None:
    """Return the moment some hours or minutes before or after `now`; None for other texts.

    Raises:
        ValueError: it is outside the calendar.
    """
    number, unit = _distance(text)
    if unit not in {"hours", "minutes"}:
        return None
    try:
        return (now.astimezone(UTC) + timedelta(**{unit: number})).astimezone(now.tzinfo)
    except OverflowError:
        raise ValueError(localized(_OUTSIDE)) from None


def _distance(text: str) -> tuple[int, str]:
    """Return the signed number and the unit of `+3d`, `in 3 days`, `3日前`; an empty unit for other texts."""
    for sign, form in _DISTANCES:
        if found := form.fullmatch(text):
            number = _NUMBERS.get(found["n"])
            return sign * (int(found["n"]) if number is None else number), _UNITS[found["unit"]]
    return 0, ""


def _by_days(text: str, today: date) -> tuple[date, ...]:
    number, unit = _distance(text)
    try:
        return (today + timedelta(**{unit: number}),) if unit in {"days", "weeks"} else ()
    except OverflowError:
        raise ValueError(localized(_OUTSIDE)) from None


def _by_months(text: str, today: date) -> tuple[date, ...]:
    """Return the day some months or years away; if that month is too short for it, its last day and the day after."""
    number, unit = _distance(text)
    if unit not in {"months", "years"}:
        return ()
    month = _month(today, number * (12 if unit == "years" else 1))
    last = calendar.monthrange(month.year, month.month)[1]
    if today.day <= last:
        return (month.replace(day=today.day),)
    return month.replace(day=last), month.replace(day=last) + timedelta(days=1)


def _by_weekday(text: str, today: date, *, past: bool) -> tuple[date, ...]:
    for form in _IN_WEEK:
        if found := form.fullmatch(text):
            return _in_week(today, _WEEKS[found["week"]], weekday_number(found["day"]))
    for form in _WEEKDAY:
        if found := form.fullmatch(text):
            which = _NEAR[found["which"].removeprefix("the ")]
            return _near(today, which, weekday_number(found["day"]), past=past)
    return ()


def _near(today: date, which: str, weekday: int, *, past: bool) -> tuple[date, ...]:
    ahead = (weekday - today.weekday()) % 7
    coming, recent = today + timedelta(days=ahead or 7), today - timedelta(days=(7 - ahead))
    match which:
        case "next":
            return _distinct([coming, *_in_week(today, 1, weekday)])
        case "last":
            return _distinct([recent, *_in_week(today, -1, weekday)])
        case "this":
            return _distinct([today + timedelta(days=ahead), *_in_week(today, 0, weekday)])
    meant = recent if past else coming
    return (meant,) if ahead else (today, meant)


def _in_week(today: date, weeks: int, weekday: int) -> tuple[date, ...]:
    """Return a weekday of a week, whether weeks begin on Monday or on Sunday."""
    monday = today - timedelta(days=today.weekday())
    sunday = today - timedelta(days=(today.weekday() + 1) % 7)
    ahead = timedelta(weeks=weeks)
    return _distinct([monday + ahead + timedelta(days=weekday), sunday + ahead + timedelta(days=(weekday + 1) % 7)])


def _in_month(text: str, today: date) -> tuple[date, ...]:
    for form in _IN_MONTH:
        if found := form.fullmatch(text):
            parts = found.groupdict()
            month = _month(today, _MONTHS[(parts["month"] or "").strip()])
            if "number" in parts:
                return (existing_day(month.year, month.month, int(parts["number"])),)
            last = calendar.monthrange(month.year, month.month)[1]
            return (month.replace(day=last) if parts.get("last") else month,)
    return ()


def _whole_period(text: str, today: date) -> tuple[date, ...]:
    """Return the first and the last day of a week, which begins on Monday, or of a month."""
    if text.removesuffix(" week") in _WEEKS and _IS_WEEK.search(text):
        monday = today + timedelta(weeks=_WEEKS[text.removesuffix(" week")], days=-today.weekday())
        return monday, monday + timedelta(days=6)
    if text.removesuffix(" month") in _MONTHS and _IS_MONTH.search(text):
        month = _month(today, _MONTHS[text.removesuffix(" month")])
        return month, month.replace(day=calendar.monthrange(month.year, month.month)[1])
    return ()


def _month(today: date, months: int) -> date:
    """Return the first day of the month that lies `months` away. Raises: ValueError: it is outside the calendar."""
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(localized(_OUTSIDE))
    return date(year, month + 1, 1)


def _distinct(days: Iterable[date]) -> tuple[date, ...]:
    return tuple(sorted(set(days)))
