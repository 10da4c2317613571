"""The time in which a call waits for the ticket API: requests that run together count once, in whatever task."""

import asyncio

import pytest

from shared.upstream import waiting
from shared.upstream.waiting import ApiRequest, Waiting


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    return clock


def test_requests_at_the_same_time_count_once(clock: Clock) -> None:
    call = Waiting()
    clock.now = 1.0
    first = ApiRequest()
    clock.now = 3.0
    second = ApiRequest()
    clock.now = 4.0
    assert first.end() == 3.0
    clock.now = 6.0
    assert second.end() == 3.0
    clock.now = 10.0
    ApiRequest().end()

    assert call.seconds(10.0) == 5.0


def test_a_request_that_still_runs_counts_until_now(clock: Clock) -> None:
    call = Waiting()
    ApiRequest()
    clock.now = 2.0

    assert call.seconds(2.0) == 2.0


async def test_a_task_of_a_call_waits_for_it_and_calls_do_not_wait_for_each_other(clock: Clock) -> None:
    async def request() -> None:
        running = ApiRequest()
        await asyncio.sleep(0)
        clock.now += 1.0
        running.end()

    async def call() -> float:
        own = Waiting()
        await asyncio.gather(request(), request())
        return own.seconds(clock.now)

    async def idle() -> float:
        own = Waiting()
        await asyncio.sleep(0)
        return own.seconds(clock.now)

    waited, not_waited = await asyncio.gather(call(), idle())

    assert waited == 2.0
    assert not_waited == 0.0


def test_a_request_of_no_call_is_timed_as_well(clock: Clock) -> None:
    running = ApiRequest()
    clock.now = 0.5

    assert running.end() == 0.5
