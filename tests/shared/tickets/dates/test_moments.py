"""Dates and moments are read in every spelling, and never guessed (case T10)."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tickets.dates.moments import A_DAY, A_MOMENT, MAX_LENGTH, AmbiguousError, read_day, read_minute, read_until
from shared.tickets.dates.relative_days import relative_days
from shared.tickets.dates.ticket_time import TicketTime
from shared.tickets.dates.written_days import WEEKDAYS
from tests.kills import kills

TOKYO: Final = ZoneInfo("Asia/Tokyo")
AT: Final = TicketTime(datetime(2026, 11, 25, 22, 35, tzinfo=TOKYO))
"""A Wednesday, in the evening."""
NEW_YORK: Final = TicketTime(datetime(2026, 11, 25, 8, 35, tzinfo=ZoneInfo("America/New_York")))


@pytest.mark.parametrize("text", [
    "2026-11-22", " 2026-11-22\t", "20261122", "2026/11/22", "2026.11.22", "2026-W47-7", "2026W477", "2026-326",
    "2026326", "２０２６－１１－２２", "２０２６／１１／２２", "2026−11−22", "2026\u201011\u201022",
    "\u200e2026-11-22", '"2026-11-22"',
    "「2026-11-22」", "2026年11月22日", "2026 年 11 月 22 日", "2026年11月22日(日)", "2026年11月22日日曜日",
    "令和8年11月22日",
    "2026-11-22 (Sun)", "Sun, 22 Nov 2026", "Sunday, November 22nd, 2026", "22 November 2026", "Nov. 22, 2026",
    "22-Nov-2026", "22nd of November 2026", "22/11/2026", "11/22/2026", "22.11.2026", "2026-11-22T09:00:00",
    "2026-11-22T23:59+09:00", "2026-11-21T15:00:00Z", "2026-11-21 15:00 UTC", "2026-11-22T14:59:59.999Z",
    "2026-11-21T10:00-05:00", "2026-11-22T24:00", "2026年11月22日 午後3時", "2026-11-22 9am",
])  # fmt: skip
def test_a_day_is_read_in_each_spelling(text: str) -> None:
    assert read_day(text, AT).text == "2026-11-22"


def test_a_time_of_day_that_does_not_count_is_said() -> None:
    for text in ("2026-11-22T10:15", "2026-11-22T01:15Z", "2026-11-22 10:15 JST"):
        assert read_day(text, AT).note == "only the day counts, 2026-11-22"
    for text in ("2026-11-22", "2026-11-22T00:00:00", "2026-11-22T00:00Z"):
        assert read_day(text, AT).note == ""


@pytest.mark.parametrize("text", [
    "2026-11-22 09:30", "2026-11-22T09:30", "2026-11-22T09:30:00", "2026-11-22 09:30:59",
    "2026-11-22T09:30:00.123456789",
    "2026-11-22T09:30:00,5", "2026-11-22T09:30.5", "2026-11-22T09:30+09:00", "2026-11-22T09:30:00+0900",
    "2026-11-22T09:30+09", "2026-11-22 09:30:00 +0900", "2026-11-22T00:30Z", "2026-11-22t00:30z",
    "2026-11-22T00:30:00.000Z", "2026-11-22T00:30-00:00", "2026-11-22T00:30−00:00", "2026-11-21T19:30-05:00",
    "20261122T0930", "20261122T003000Z", "20261122 0930", "2026/11/22 9:30", "２０２６／１１／２２　０９：３０",
    "2026-11-22 09:30 JST", "2026-11-22 00:30 GMT", "2026-11-22 09:30 UTC+9", "2026-11-22T01:30+01:00[Europe/Paris]",
    "2026-11-22T09:30[Asia/Tokyo]", "2026-11-22 01:30 Europe/Paris", "2026-W47-7T09:30", "2026-326T09:30",
    "Sun, 22 Nov 2026 09:30:00 +0900", "Sun Nov 22 2026 09:30:00 GMT+0900 (Japan Standard Time)",
    "November 22, 2026 at 9:30 AM", "2026-11-22 9:30 a.m.", "2026年11月22日 9時30分", "2026年11月22日9時半",
    "2026年11月22日の午前9:30", "2026年11月22日 午前9時30分15秒",
])  # fmt: skip
def test_a_moment_is_read_in_each_spelling(text: str) -> None:
    assert read_minute(text, AT) == read_minute("2026-11-22 09:30", AT)
    assert read_minute(text, AT).text == "2026-11-22 09:30"


@pytest.mark.parametrize(("text", "minute"), [
    ("2026-11-22T24:00", "2026-11-23 00:00"), ("2026-11-22T09Z", "2026-11-22 18:00"),
    ("2026-11-22T23:59:60Z", "2026-11-23 08:59"), ("2026-11-22 12 am", "2026-11-22 00:00"),
    ("2026-11-22 12:05pm", "2026-11-22 12:05"), ("2026年11月22日 午後0時", "2026-11-22 12:00"),
])  # fmt: skip
def test_odd_times_of_day_are_read(text: str, minute: str) -> None:
    assert read_minute(text, AT).text == minute


@pytest.mark.parametrize(("text", "day"), [
    ("today", "2026-11-25"), ("Today", "2026-11-25"), ("now", "2026-11-25"), ("yesterday", "2026-11-24"),
    ("tomorrow", "2026-11-26"), ("the day after tomorrow", "2026-11-27"), ("+3d", "2026-11-28"),
    ("-2d", "2026-11-23"),
    ("+1w", "2026-12-02"), ("in 3 days", "2026-11-28"), ("3 days ago", "2026-11-22"), ("in a week", "2026-12-02"),
    ("two weeks ago", "2026-11-11"), ("3 days from now", "2026-11-28"), ("in 1 month", "2026-12-25"),
    ("+2y", "2028-11-25"), ("2 hours ago", "2026-11-25"), ("in 2 hours", "2026-11-26"), ("next monday", "2026-11-30"),
    ("monday", "2026-11-30"), ("Fri", "2026-11-27"), ("this friday", "2026-11-27"), ("last friday", "2026-11-20"),
    ("monday next week", "2026-11-30"), ("next week's friday", "2026-12-04"), ("end of month", "2026-11-30"),
    ("end of next month", "2026-12-31"), ("first day of next month", "2026-12-01"), ("EOM", "2026-11-30"),
    ("今日", "2026-11-25"), ("本日", "2026-11-25"), ("明日", "2026-11-26"), ("昨日", "2026-11-24"),
    ("明後日", "2026-11-27"),
    ("あさって", "2026-11-27"), ("一昨日", "2026-11-23"), ("おととい", "2026-11-23"), ("明々後日", "2026-11-28"),
    ("来週月曜", "2026-11-30"), ("来週の月曜日", "2026-11-30"), ("今週金曜", "2026-11-27"),
    ("先週火曜日", "2026-11-17"),
    ("再来週水曜", "2026-12-09"), ("金曜日", "2026-11-27"), ("次の月曜", "2026-11-30"), ("3日後", "2026-11-28"),
    ("３日後", "2026-11-28"), ("三日後", "2026-11-28"), ("2日前", "2026-11-23"), ("1週間後", "2026-12-02"),
    ("2か月後", "2027-01-25"), ("来月末", "2026-12-31"), ("今月末", "2026-11-30"), ("月末", "2026-11-30"),
    ("来月10日", "2026-12-10"), ("tomorrow 17:00", "2026-11-26"), ("明日の午後3時", "2026-11-26"),
])  # fmt: skip
def test_a_relative_day_is_counted_from_today_and_named_in_a_note(text: str, day: str) -> None:
    value = read_day(text, AT)

    assert value.text == day
    assert value.note == f"“{text.replace('３', '3')}” is {weekday(day)}, {day}"


def weekday(day: str) -> str:
    """Return the name of its weekday."""
    return WEEKDAYS[date.fromisoformat(day).weekday()].capitalize()


@pytest.mark.parametrize(("text", "minute", "moving"), [
    ("now", "2026-11-25 22:35", "now"), ("今", "2026-11-25 22:35", "now"),
    ("2 hours ago", "2026-11-25 20:35", "2 hours ago"),
    ("30分前", "2026-11-25 22:05", "30分前"), ("+90min", "2026-11-26 00:05", "+90min"),
    ("yesterday 9am", "2026-11-24 09:00", ""), ("今日14時30分", "2026-11-25 14:30", ""),
    ("today", "2026-11-25 00:00", ""),
])  # fmt: skip
def test_a_relative_moment_says_whether_its_words_soon_mean_another_minute(text: str, minute: str, moving: str) -> None:
    value = read_minute(text, AT)

    assert (value.text, value.moving) == (minute, moving)
    assert value.note == ("" if moving else f"“{text}” was read as {minute}")


def test_a_weekday_alone_lies_ahead_of_a_due_date_and_behind_what_is_done() -> None:
    assert read_day("monday", AT).text == "2026-11-30"
    assert read_day("monday", AT, past=True).text == "2026-11-23"
    assert read_minute("月曜 9:00", AT).text == "2026-11-23 09:00"


@kills("shared/tickets/dates/moments.py", "if len(set(days)) > 1:", "if False:")
@pytest.mark.parametrize(("text", "readings"), [
    ("03/04/2026", ("2026-03-04", "2026-04-03")), ("3-4-2026", ("2026-03-04", "2026-04-03")),
    ("03.04.2026", ("2026-03-04", "2026-04-03")), ("26/11/22", ("2026-11-22", "2022-11-26", "1922-11-26")),
    ("31/12/99", ("2099-12-31", "1999-12-31")), ("11/22", ("2026-11-22", "2027-11-22")),
    ("11月22日", ("2026-11-22", "2027-11-22")), ("Nov 22", ("2026-11-22", "2027-11-22")),
    ("next friday", ("2026-11-27", "2026-12-04")), ("今度の金曜", ("2026-11-27", "2026-12-04")),
    ("wednesday", ("2026-11-25", "2026-12-02")), ("今週日曜", ("2026-11-22", "2026-11-29")),
    ("sunday next week", ("2026-11-29", "2026-12-06")), ("last sunday", ("2026-11-15", "2026-11-22")),
    ("しあさって", ("2026-11-28", "2026-11-29")), ("last week", ("2026-11-16", "2026-11-22")),
    ("来週", ("2026-11-30", "2026-12-06")), ("last month", ("2026-10-01", "2026-10-31")),
    ("今月", ("2026-11-01", "2026-11-30")),
])  # fmt: skip
def test_what_people_understand_differently_is_refused_with_every_reading(text: str, readings: tuple[str, ...]) -> None:
    with pytest.raises(AmbiguousError) as refusal:
        read_day(text, AT)
    with pytest.raises(AmbiguousError):
        read_minute(f"{text} 09:00", AT)

    assert refusal.value.allowed == readings


def test_readings_that_agree_are_no_problem() -> None:
    assert read_day("04/04/2026", AT).text == "2026-04-04"
    assert read_day("next wednesday", AT).text == "2026-12-02"


def test_on_a_sunday_next_week_depends_on_where_weeks_begin() -> None:
    sunday = TicketTime(datetime(2026, 11, 29, 9, 0, tzinfo=TOKYO))

    for text in ("next monday", "来週月曜"):
        with pytest.raises(AmbiguousError) as refusal:
            read_day(text, sunday)
        assert refusal.value.allowed == ("2026-11-30", "2026-12-07")


def test_a_month_that_is_too_short_is_not_guessed() -> None:
    with pytest.raises(AmbiguousError) as refusal:
        read_day("in a month", TicketTime(datetime(2027, 1, 31, 9, 0, tzinfo=UTC)))

    assert refusal.value.allowed == ("2027-02-28", "2027-03-01")


@pytest.mark.parametrize(("text", "said"), [
    ("2026-02-30", "the last one of that month is 2026-02-28"), ("2026-13-01", "a month that does not exist, 13"),
    ("2026-00-10", "a month that does not exist, 0"), ("0000-01-01", "a year that does not exist"),
    ("31/02/2026", "the last one of that month is 2026-02-28"),
    ("2026-366", "the last one of the year is 2026-12-31"),
    ("2026-W54-1", "a week or day that does not exist"), ("今月31日", "the last one of that month is 2026-11-30"),
    ("Mon, 22 Nov 2026", "the wrong weekday; 2026-11-22 is a Sunday"), ("in 99999 years", "outside the calendar"),
    ("2026年11月22日(月)", "the wrong weekday; 2026-11-22 is a Sunday"),
    ("02/31/2026", "the last one of that month is 2026-02-28"),
    ("9999-12-31T23:00-14:00", "outside the calendar"), ("2026-11-22T25:00", "a time that does not exist"),
    ("2026-11-22 09:60", "a time that does not exist"), ("2026-11-22 13 pm", "a time that does not exist"),
    ("2026-11-22T09:00+25:00", "an offset that does not exist"),
    ("2026-11-22 09:00 Mars/Base", "an unknown time zone"),
    ("2026-11-22T09:00+02:00[Asia/Tokyo]", "an offset that its time zone does not have then"),
    ("今日の午後12時", "can mean 00:00 or 12:00"),
])  # fmt: skip
def test_what_does_not_exist_is_refused_with_a_day_that_does(text: str, said: str) -> None:
    for read in (read_day, read_minute):
        with pytest.raises(ValueError, match=said) as refusal:
            read(text, AT)
        assert any(character.isdigit() for character in str(refusal.value))


@pytest.mark.parametrize("text", [
    "", " ", "soon", "next year", "来年", "2026-11", "2026", "+1m", "P3D", "2026-11-22/2026-11-30", "14:30", "9時",
    "three", "in many days", "3営業日後", "週末", "1795305600", "2026-11-22x", "12026-11-22", "d" * (MAX_LENGTH + 1),
])  # fmt: skip
def test_other_texts_are_answered_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="must be a day") as day:
        read_day(text, AT)
    with pytest.raises(ValueError, match="must be a moment") as moment:
        read_minute(text, AT)

    assert (str(day.value), str(moment.value)) == (A_DAY, A_MOMENT)


def test_distances_beyond_the_calendar_are_refused() -> None:
    with pytest.raises(ValueError, match="outside the calendar"):
        read_minute("99999 hours ago", TicketTime(datetime(5, 1, 1, tzinfo=UTC)))
    with pytest.raises(ValueError, match="outside the calendar"):
        read_day("99999 days ago", TicketTime(datetime(5, 1, 1, tzinfo=UTC)))
    with pytest.raises(ValueError, match="outside the calendar"):
        read_minute("9999-12-31T24:00", AT)


def test_a_minute_that_the_clocks_skip_is_refused_with_one_that_exists() -> None:
    with pytest.raises(ValueError, match="the clocks skip; one that exists is 2026-03-08 03:30"):
        read_minute("2026-03-08 02:30", NEW_YORK)

    assert read_minute("2026-03-08T02:30-05:00", NEW_YORK).text == "2026-03-08 03:30"
    assert read_day("2026-03-08 02:30", NEW_YORK).text == "2026-03-08"


def test_a_minute_that_occurs_twice_is_stored_with_a_note_since_no_offset_is() -> None:
    twice = "2026-11-01 01:30 occurs twice because the clocks go back; the ticket system stores no offset"

    for text in ("2026-11-01 01:30", "2026-11-01T01:30-05:00", "2026-11-01T05:30Z"):
        value = read_minute(text, NEW_YORK)
        assert (value.text, value.note) == ("2026-11-01 01:30", twice)


def test_a_minute_that_occurs_twice_is_refused_where_it_makes_a_difference() -> None:
    in_utc = TicketTime(NEW_YORK.now, api_zone=UTC)

    with pytest.raises(AmbiguousError) as refusal:
        read_minute("2026-11-01 01:30", in_utc)

    assert refusal.value.allowed == ("2026-11-01 01:30-04:00", "2026-11-01 01:30-05:00")
    assert [read_minute(one, in_utc).text for one in refusal.value.allowed] == ["2026-11-01 05:30", "2026-11-01 06:30"]


@kills(
    "shared/tickets/dates/ticket_time.py",
    "moment.astimezone(self.api_zone or self.zone)",
    "moment.astimezone(self.zone)",
)
def test_a_moment_is_stored_on_the_clock_of_the_ticket_system() -> None:
    at = TicketTime(AT.now, api_zone=UTC)

    assert read_minute("2026-11-22 09:30", at).text == "2026-11-22 00:30"
    assert read_minute("2026-11-22T09:30Z", at).text == "2026-11-22 09:30"
    assert read_minute("now", at).text == "2026-11-25 13:35"
    assert read_day("2026-11-21T23:00Z", at).text == "2026-11-22"


@given(st.datetimes(datetime(1000, 1, 1), datetime(9000, 1, 1)), st.integers(-23 * 60, 23 * 60))  # noqa: DTZ001 - naive on purpose
def test_every_moment_with_an_offset_is_that_moment(moment: datetime, offset: int) -> None:
    utc = moment.replace(tzinfo=UTC, second=0, microsecond=0)
    hours, minutes = divmod(abs(offset), 60)
    there = (utc + timedelta(minutes=offset)).replace(tzinfo=None).isoformat()
    text = f"{there}{'-+'[offset >= 0]}{hours:02}:{minutes:02}"

    assert read_minute(text, TicketTime(utc)).text == utc.replace(tzinfo=None).isoformat(" ", "minutes")


@given(st.dates())
def test_iso_days_are_read_back_in_all_three_forms(day: date) -> None:
    year, week, number = day.isocalendar()
    weekly = [] if year < 1 or year > 9999 else [f"{year:04}-W{week:02}-{number}"]

    for text in (str(day), str(day).replace("-", ""), f"{day.year:04}-{day.timetuple().tm_yday:03}", *weekly):
        assert read_day(text, AT).text == str(day)


@given(st.text(max_size=40))
def test_no_text_breaks_the_reading(text: str) -> None:
    for read in (read_day, read_minute):
        with suppress(ValueError):
            assert len(read(text, AT).text) in {10, 16}


def test_every_distance_is_counted_in_both_directions() -> None:
    days = {
        text: relative_days(text, AT.now, past=False)[0] for text in ("+3d", "-3d", "3日後", "3日前", "+1mo", "-1y")
    }

    assert [str(day) for day in days.values()] == [
        "2026-11-28", "2026-11-22", "2026-11-28", "2026-11-22", "2026-12-25", "2025-11-25",
    ]  # fmt: skip


def test_a_day_or_a_minute_that_ends_a_period_belongs_to_it() -> None:
    for text, ends in (
        ("2026-11-22", "2026-11-22T14:59:59.999Z"),
        ("yesterday", "2026-11-24T14:59:59.999Z"),
        ("2026-11-22 09:30", "2026-11-22T00:30:59.999Z"),
        ("now", "2026-11-25T13:35:59.999Z"),
    ):
        assert read_until(text, AT).text == ends
    for text in ("03/04/2026", "soon", ""):
        with pytest.raises(ValueError, match=r"ambiguous|must be a moment"):
            read_until(text, AT)
