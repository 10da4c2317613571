"""Wrong keys are throttled per network, in bounded memory; valid keys are not."""

import asyncio

import pytest

from shared import failed_attempts
from shared.audit import AuditEvent
from shared.failed_attempts import AT_ONCE, MOST_NETWORKS, REFILL_S, FailedAttempts, TooManyFailuresError


class WrongKeyError(Exception):
    """The error of a check whose key is wrong."""


class Trail:
    """Keeps its events."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    async def record(self, event: AuditEvent) -> None:
        self.events.append(event)


@pytest.fixture
def trail() -> Trail:
    return Trail()


@pytest.fixture
def attempts(trail: Trail) -> FailedAttempts:
    """A throttle with a stopped clock."""
    return FailedAttempts(lambda error: isinstance(error, WrongKeyError), trail=trail, seconds=lambda: 0.0)


async def outcome(
    attempts: FailedAttempts, key: str, address: str = "203.0.113.7", *, error: type[Exception] | None
) -> str:
    """Return the outcome of an attempt whose check raises `error`."""
    try:
        async with attempts.attempt(address, key):
            if error is not None:
                raise error
    except TooManyFailuresError:
        return "throttled"
    except (WrongKeyError, OSError):
        return "refused"
    return "right"


async def test_attempts_are_counted_for_a_bounded_number_of_networks(attempts: FailedAttempts) -> None:
    assert (AT_ONCE, REFILL_S, attempts._buckets.max_entries) == (10, 6.0, MOST_NETWORKS)
    attempts._buckets.max_entries = 2
    for network in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        await outcome(attempts, "x", network, error=WrongKeyError)

    assert len(attempts._buckets) == 2


async def test_an_attempt_that_waits_too_long_for_its_turn_is_refused(
    trail: Trail, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failed_attempts, "AT_ONCE", 1)
    monkeypatch.setattr(failed_attempts, "TURN_S", 0.01)
    attempts = FailedAttempts(lambda _: True, trail=trail)
    async with asyncio.timeout(10), attempts.attempt("203.0.113.7", "a"):
        with pytest.raises(TooManyFailuresError, match="try again in 1 s"):
            async with attempts.attempt("203.0.113.7", "b"):
                pytest.fail("two at once")


async def test_an_outage_is_no_failed_attempt(attempts: FailedAttempts, trail: Trail) -> None:
    assert {await outcome(attempts, "x", error=OSError) for _ in range(AT_ONCE + 5)} == {"refused"}
    assert trail.events == []


async def test_the_audit_has_the_address_and_never_the_key(attempts: FailedAttempts, trail: Trail) -> None:
    for _ in range(AT_ONCE + 1):
        await outcome(attempts, "a-secret", error=WrongKeyError)

    assert [event.detail for event in trail.events] == [
        "wrong key from 203.0.113.7", "too many wrong keys from 203.0.113.7",
    ]  # fmt: skip
    assert "a-secret" not in str(trail.events)
