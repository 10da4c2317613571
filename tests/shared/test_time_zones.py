"""Time zones by name, the machine's own, and how a moment names its zone (case T11)."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import pytest

from shared.time_zones import (
    SHARED_ABBREVIATIONS,
    MachineClock,
    abbreviation,
    in_zone,
    machine_zone,
    utc_now,
    zone_name,
    zone_named,
)

SetClock = Callable[[str], None]
SUMMER: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
NEW_YORK: Final = "EST5EDT,M3.2.0,M11.1.0"
"""The rules of America/New_York, written so that a machine knows no name for them."""


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetClock]:
    """Set the zone of this process."""

    def set_zone(name: str) -> None:
        monkeypatch.setenv("TZ", name)
        time.tzset()
        machine_zone.cache_clear()

    yield set_zone
    monkeypatch.undo()
    time.tzset()
    machine_zone.cache_clear()


@pytest.mark.parametrize("name", ["Asia/Tokyo", "UTC", "America/Argentina/Buenos_Aires", "Japan"])
def test_a_zone_is_found_by_its_name(name: str) -> None:
    assert zone_name(zone_named(name)) == name


@pytest.mark.parametrize(
    "name", ["", "JST", "UTC+9", "+09:00", "America", "../etc/passwd", "/etc/localtime", "Asia/\0"]
)
def test_what_is_no_name_of_a_zone_is_refused_with_an_example(name: str) -> None:
    with pytest.raises(ValueError, match="must be a time zone by its IANA name, for example Asia/Tokyo or UTC"):
        zone_named(name)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", ":Asia/Tokyo", "/usr/share/zoneinfo/Asia/Tokyo"])
def test_the_zone_of_the_machine_has_its_name(set_clock: SetClock, zone: str) -> None:
    set_clock(zone)

    assert zone_name(machine_zone()) == "Asia/Tokyo"


@pytest.mark.parametrize("rules", ["JST-9", NEW_YORK, "XYZ+3:30"])
def test_a_machine_that_knows_no_name_of_its_zone_is_believed(set_clock: SetClock, rules: str) -> None:
    set_clock(rules)
    zone = machine_zone()

    assert zone_name(zone) is None
    for moment in (SUMMER, SUMMER + timedelta(days=183)):
        there = moment.astimezone(zone)
        assert there.replace(tzinfo=None) == moment.astimezone().replace(tzinfo=None)
        assert (there.utcoffset(), there.tzname()) == (moment.astimezone().utcoffset(), moment.astimezone().tzname())
        assert there.astimezone(UTC) == moment


def test_the_clock_of_a_machine_knows_the_hour_that_occurs_twice(set_clock: SetClock) -> None:
    set_clock(NEW_YORK)
    zone = MachineClock()
    first = datetime(2026, 11, 1, 5, 30, tzinfo=UTC).astimezone(zone)
    second = datetime(2026, 11, 1, 6, 30, tzinfo=UTC).astimezone(zone)

    assert (str(first), str(second)) == ("2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00")
    assert (first.dst(), zone.utcoffset(None), zone.tzname(None)) == (None, None, None)


@pytest.mark.parametrize(("zone", "shown"), [
    ("Asia/Tokyo", "JST"), ("UTC", "UTC"), ("Europe/Berlin", "CEST"), ("Asia/Dubai", "UTC+04:00"),
    ("Asia/Shanghai", "CST (UTC+08:00)"), ("America/Chicago", "CDT (UTC-05:00)"), ("Asia/Kolkata", "IST (UTC+05:30)"),
])  # fmt: skip
def test_a_moment_names_its_zone_so_that_it_is_taken_for_no_other(zone: str, shown: str) -> None:
    assert abbreviation(SUMMER.astimezone(ZoneInfo(zone))) == shown


def test_every_abbreviation_with_several_offsets_is_shown_with_its_own() -> None:
    offsets: dict[str, set[timedelta | None]] = defaultdict(set)
    for name in available_timezones():
        for moment in (SUMMER, SUMMER + timedelta(days=183)):
            there = moment.astimezone(ZoneInfo(name))
            offsets[there.tzname() or ""].add(there.utcoffset())

    assert {name for name, several in offsets.items() if len(several) > 1} <= SHARED_ABBREVIATIONS


def test_a_clock_gives_its_time_in_a_zone() -> None:
    clock = in_zone(ZoneInfo("Asia/Tokyo"), lambda: SUMMER)

    assert str(clock()) == "2026-07-01 21:00:00+09:00"
    assert utc_now().tzinfo is UTC
