"""Time zones: by IANA name, the machine's own, and how a moment names its zone.

A machine may not say which IANA zone it is in (Windows, `TZ=JST-9`); then its clock is used as it is, without a name.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

_FOLDER: Final = "zoneinfo/"
SHARED_ABBREVIATIONS: Final = frozenset({"BST", "CDT", "CST", "IST", "PST"})
"""Abbreviations that several zones use with different offsets, or that have other well-known meanings."""


def utc_now() -> datetime:
    """Return the current time in UTC, timezone-aware."""
    return datetime.now(UTC)


def in_zone(zone: tzinfo, clock: Callable[[], datetime] = utc_now) -> Callable[[], datetime]:
    """Return a clock that gives the time of `clock`, which must be timezone-aware, in `zone`."""
    return lambda: clock().astimezone(zone)


def zone_named(name: str) -> ZoneInfo:
    """Return the zone with an IANA name, for example `Asia/Tokyo`.

    Raises:
        ValueError: no zone has that name.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, a folder of zones, a path
        raise ValueError("must be a time zone by its IANA name, for example Asia/Tokyo or UTC") from None


@cache
def machine_zone() -> tzinfo:
    """Return the zone of this machine's clock, with its IANA name if it can be determined; looked up once."""
    for name in _candidates():
        try:
            zone = zone_named(name)
        except ValueError:
            continue
        if _agrees_with_machine(zone):
            return zone
    return MachineClock()


def zone_name(zone: tzinfo) -> str | None:
    """Return the IANA name of `zone`, if it has one."""
    return zone.key if isinstance(zone, ZoneInfo) else None


def abbreviation(moment: datetime) -> str:
    """Return how a timezone-aware moment names its zone: `JST`, `CST (UTC-06:00)`, `UTC+04:00`."""
    name = moment.tzname() or ""
    digits = moment.strftime("%z")
    offset = f"UTC{digits[:3]}:{digits[3:5]}"
    if not (name.isascii() and name.isalpha()):
        return offset
    return f"{name} ({offset})" if name in SHARED_ABBREVIATIONS else name


def _candidates() -> Iterator[str]:
    """Yield the names that this machine may give its zone, the most specific first."""
    yield os.environ.get("TZ", "").removeprefix(":").rpartition(_FOLDER)[2]
    yield os.path.realpath("/etc/localtime").rpartition(_FOLDER)[2]
    with suppress(OSError, ValueError):
        yield Path("/etc/timezone").read_text(encoding="utf-8").strip()
    yield "UTC"


def _agrees_with_machine(zone: tzinfo) -> bool:
    now = datetime.now(UTC)
    moments = (now + timedelta(days=days) for days in (-182, -91, 0, 91, 182))
    return all(one.astimezone().utcoffset() == one.astimezone(zone).utcoffset() for one in moments)


class MachineClock(tzinfo):
    """The zone of this machine's clock, by the rules of its operating system."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Return the offset at a wall-clock time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:  # noqa: ARG002 - the signature of `tzinfo`
        """Return None, because it is not known."""
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Return what the machine calls its zone at a wall-clock time."""
        return None if moment is None else moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """Return the wall-clock time of a moment in UTC."""
        local = moment.replace(tzinfo=UTC).astimezone()
        wall = local.replace(tzinfo=self)
        return wall if wall.utcoffset() == local.utcoffset() else wall.replace(fold=1)
