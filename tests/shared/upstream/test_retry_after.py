"""`Retry-After` is seconds or a date; anything else is no advice."""

from datetime import UTC, datetime

import pytest

from shared.upstream.retry_after import in_a_while, retry_after_s

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30.0),
        (" 120 ", 120.0),
        ("Fri, 20 Nov 2026 10:05:00 GMT", 300.0),
        ("Fri, 20 Nov 2026 19:05:00 +0900", 300.0),
        ("Friday, 20-Nov-26 10:05:00 GMT", 300.0),
        ("Fri Nov 20 10:05:00 2026", 300.0),
        ("Fri, 20 Nov 2026 09:59:00 GMT", None),
        ("Fri, 20 Nov 2036 10:05:00 GMT", None),
        ("", None),
        ("0", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("9" * 400, None),
        ("٣", None),
    ],
    ids=range(15),
)
def test_the_wait_is_read_from_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, now=NOW) == seconds


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "in a moment"), (0.2, "in 1 s"), (30.0, "in 30 s"), (120.0, "in 2 min"), (121.0, "in 3 min")],
)
def test_the_wait_is_said_in_seconds_or_minutes(seconds: float | None, said: str) -> None:
    assert in_a_while(seconds) == said
