"""Reads days as they are written: ISO 8601 in every form, year first, with the name of the month, in Japanese. Pure.

A function returns every reading of a text: none if it is no such text, one if it is clear, several if it is ambiguous.
`03/04/2026` is March 4 in the United States and April 3 elsewhere, so it has two. Source: ISO 8601-1:2019, 5.2.2–5.2.4.
"""

import calendar
import re
from collections.abc import Iterator
from datetime import date
from typing import Final

from shared.localization import localized

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES: Final = tuple(map(str.capitalize, WEEKDAYS))
WEEKDAY: Final = "mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:r|rs|rsday)?|fri(?:day)?|sat(?:urday)?|sun(?:day)?"
KANJI_WEEKDAYS: Final = "月火水木金土日"
_REIWA: Final = 2018
"""The year before the first of the era 令和."""
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name)[1:]
_MONTH: Final = (
    "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|"
    "nov(?:ember)?|dec(?:ember)?"
)
_DAY: Final = r"(?P<d>\d{1,2})(?:st|nd|rd|th)?"
_YEARLY: Final = (
    rf"{_DAY}(?: of)?[ -](?P<month>{_MONTH})\.?",
    rf"(?P<month>{_MONTH})\.? {_DAY}",
    r"(?P<m>\d{1,2}) ?月 ?(?P<d>\d{1,2}) ?日",
)
_CLEAR: Final = tuple(
    re.compile(form, re.ASCII)
    for form in (
        r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})",
        r"(?P<y>\d{4})(?P<m>\d\d)(?P<d>\d\d)",
        r"(?P<y>\d{4})(?P<ext>-?)w(?P<week>\d\d)(?P=ext)(?P<weekday>\d)",
        r"(?P<y>\d{4})-?(?P<of_year>\d{3})",
        r"(?:(?P<y>\d{4})|令和 ?(?P<era>\d{1,2}|元)) ?年 ?(?P<m>\d{1,2}) ?月 ?(?P<d>\d{1,2}) ?日",
        rf"{_YEARLY[0]},?[ -](?P<y>\d{{4}})",
        rf"{_YEARLY[1]},? (?P<y>\d{{4}})",
    )
)
_WITHOUT_YEAR: Final = tuple(re.compile(form, re.ASCII) for form in _YEARLY)
_NUMBERS: Final = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)", re.ASCII)
_TWO_NUMBERS: Final = re.compile(r"(\d{1,2})/(\d{1,2})", re.ASCII)
_NAMED: Final = re.compile(
    rf"(?:(?P<before>{WEEKDAY})\.?,? )?(?P<rest>.*?)"
    rf"(?: ?\((?P<after>(?:{WEEKDAY})\.?|[{KANJI_WEEKDAYS}](?:曜日?)?)\)| ?(?P<kanji>[{KANJI_WEEKDAYS}])曜日?)?"
)


def written_days(text: str, today: date, *, past: bool) -> tuple[date, ...]:
    """Return the readings of a written day; `past` says whether a missing year is one before or after `today`.

    Raises:
        ValueError: the text names a day that does not exist.
    """
    named = _NAMED.fullmatch(text)
    if named is None:
        return ()
    days = _readings(named["rest"], today, past=past)
    weekday = named["before"] or named["after"] or named["kanji"]
    if weekday and days:
        fitting = tuple(day for day in days if day.weekday() == weekday_number(weekday))
        if not fitting:
            text = localized(
                "names the wrong weekday; {day} is a {weekday}", day=days[0], weekday=weekday_name(days[0])
            )
            raise ValueError(text)
        return fitting
    return days


def weekday_name(day: date) -> str:
    """Return the name of the weekday of `day`, for a sentence."""
    return localized(_NAMES[day.weekday()])


def weekday_number(name: str) -> int:
    """Return the number of a weekday, 0 for Monday, from its English or Japanese name."""
    if name[0] in KANJI_WEEKDAYS:
        return KANJI_WEEKDAYS.index(name[0])
    return next(number for number, whole in enumerate(WEEKDAYS) if whole.startswith(name[:3]))


def existing_day(year: int, month: int, day: int) -> date:
    """Return a day. Raises: ValueError: it does not exist; the message says why."""
    if not 1 <= month <= 12:
        raise ValueError(
            localized("names a month that does not exist, {month}; write a day such as 2026-12-01", month=month)
        )
    if year < 1:
        raise ValueError(localized("names a year that does not exist; write a day such as 2026-12-01"))
    last = calendar.monthrange(year, month)[1]
    if not 1 <= day <= last:
        text = localized(
            "names a day that does not exist; the last one of that month is {day}", day=date(year, month, last)
        )
        raise ValueError(text)
    return date(year, month, day)


def _readings(text: str, today: date, *, past: bool) -> tuple[date, ...]:
    for form in _CLEAR:
        if found := form.fullmatch(text):
            return (_day_of(found, _year_of(found)),)
    orders: list[tuple[int, int, int]] = []
    years = (today.year - 1, today.year) if past else (today.year, today.year + 1)
    if found := _NUMBERS.fullmatch(text):
        orders = list(_orders(int(found[1]), int(found[3]), found[4]))
    elif found := _TWO_NUMBERS.fullmatch(text):
        one, two = int(found[1]), int(found[2])
        orders = [(year, *pair) for year in years for pair in ((one, two), (two, one))]
    for form in _WITHOUT_YEAR:
        if found := form.fullmatch(text):
            orders = [(year, _month_of(found), int(found["d"])) for year in years]
    return _existing(orders)


def _year_of(found: re.Match[str]) -> int:
    parts = found.groupdict()
    if parts["y"] is None:
        return _REIWA + (1 if parts["era"] == "元" else int(parts["era"]))
    return int(parts["y"])


def _month_of(found: re.Match[str]) -> int:
    parts = found.groupdict()
    if (name := parts.get("month")) is None:
        return int(parts["m"])
    return next(number for number, whole in enumerate(_MONTHS, 1) if whole.startswith(name[:3]))


def _day_of(found: re.Match[str], year: int) -> date:
    parts = found.groupdict()
    if "week" in parts:
        return _day_of_week(year, int(parts["week"]), int(parts["weekday"]))
    if "of_year" in parts:
        number = int(parts["of_year"])
        if not 1 <= number <= 365 + calendar.isleap(year):
            text = localized(
                "names a day that does not exist; the last one of the year is {day}", day=f"{year:04}-12-31"
            )
            raise ValueError(text)
        return date.fromordinal(existing_day(year, 1, 1).toordinal() + number - 1)
    return existing_day(year, _month_of(found), int(parts["d"]))


def _day_of_week(year: int, week: int, weekday: int) -> date:
    try:
        return date.fromisocalendar(year, week, weekday)
    except ValueError:
        raise ValueError(localized("names a week or day that does not exist; write a day such as 2026-12-01")) from None


def _orders(one: int, two: int, last: str) -> Iterator[tuple[int, int, int]]:
    """Yield year, month, day of three numbers in the orders that people use."""
    if len(last) == 2:
        yield 2000 + one, two, int(last)
    for year in [int(last)] if len(last) == 4 else [2000 + int(last), 1900 + int(last)]:
        yield year, one, two
        yield year, two, one


def _existing(orders: list[tuple[int, int, int]]) -> tuple[date, ...]:
    """Return the days that exist. Raises: ValueError: none of them does."""
    days: dict[date, None] = {}
    wrong: ValueError | None = None
    for order in [one for one in orders if 1 <= one[1] <= 12] or orders:
        try:
            days[existing_day(*order)] = None
        except ValueError as error:
            wrong = wrong or error
    if wrong is not None and not days:
        raise wrong
    return tuple(days)
