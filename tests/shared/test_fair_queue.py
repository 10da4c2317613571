"""Slots of one ticket API: how many an organisation gets, whose turn it is, and how waiting calls end."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, Final

import httpx2
import pytest

from shared.fair_queue import ACTIVE_S, KEPT, MAX_WAITING, FairQueue, QueueFullError
from tests.kills import kills
from tests.shared.given import World

GUARD_S: Final = 10.0
PLACES: Final = 6


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Calls:
    """Calls that enter a queue, and the order in which they got slots."""

    def __init__(self, queue: FairQueue) -> None:
        self.queue = queue
        self.entered: list[str] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, organisation: str, *, name: str = "", patience_s: float = GUARD_S) -> asyncio.Task[None]:
        """Start a call and return once it has a slot or waits."""

        async def enter() -> None:
            await self.queue.acquire(organisation, patience_s=patience_s)
            self.entered.append(name or organisation)

        task = asyncio.create_task(enter())
        self.tasks.append(task)
        await settled()
        return task

    async def end(self, organisation: str) -> None:
        """Return a slot, and wait until the call that got it has noticed."""
        self.queue.release(organisation)
        await settled()


class ImpatientQueue(FairQueue):
    """A queue in which no call waits; it keeps how long the last one would have waited."""

    patience_s = 0.0

    async def acquire(self, organisation: str, *, patience_s: float) -> None:
        self.patience_s = patience_s
        await super().acquire(organisation, patience_s=0)


async def settled() -> None:
    """Let every ready task run."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def calls(clock: Clock) -> AsyncIterator[Calls]:
    calls = Calls(FairQueue(PLACES, clock=clock))
    yield calls
    for task in calls.tasks:
        task.cancel()
    await asyncio.gather(*calls.tasks, return_exceptions=True)


def steps_of(call: Coroutine[Any, Any, None]) -> int:
    """Return how many times a coroutine yields to the event loop before it ends."""
    steps = 0
    try:
        while True:
            call.send(None)
            steps += 1
    except StopIteration:
        return steps


async def test_with_a_free_place_a_call_goes_on_without_a_switch_to_another_task() -> None:
    queue = FairQueue(2)

    for _ in range(100):
        assert steps_of(queue.acquire("acme", patience_s=GUARD_S)) == 0
        queue.release("acme")


async def test_an_organisation_that_is_alone_holds_all_slots(calls: Calls) -> None:
    for _ in range(PLACES + 1):
        await calls.begin("acme")

    assert calls.entered == ["acme"] * PLACES


@kills("shared/fair_queue.py", "max(1, places - KEPT)", "places")
async def test_two_slots_are_kept_while_another_organisation_is_active(calls: Calls) -> None:
    await calls.begin("other")
    await calls.end("other")
    for _ in range(PLACES):
        await calls.begin("acme")
    assert calls.entered.count("acme") == PLACES - KEPT

    for _ in range(KEPT):
        await calls.begin("other")

    assert calls.entered.count("other") == 1 + KEPT, "it found them free"


async def test_a_call_that_meets_an_organisation_with_all_slots_gets_the_next_one_and_two_are_kept(
    calls: Calls,
) -> None:
    for _ in range(3 * PLACES):
        await calls.begin("acme")
    await calls.begin("other")
    assert calls.entered == ["acme"] * PLACES

    await calls.end("acme")
    assert calls.entered[PLACES:] == ["other"]

    await calls.end("acme")
    await calls.end("acme")
    assert calls.entered[PLACES + 1 :] == ["acme"], "one was above its share, which it does not take again"
    await calls.begin("other")
    assert calls.entered[-1] == "other"


async def test_an_organisation_that_was_quiet_for_a_minute_keeps_no_slots_free(calls: Calls, clock: Clock) -> None:
    await calls.begin("other")
    await calls.end("other")
    clock.now += ACTIVE_S + 1
    for _ in range(PLACES):
        await calls.begin("acme")

    assert calls.entered.count("acme") == PLACES


@kills("shared/fair_queue.py", "self._turns.popleft()", "self._turns.pop()")
async def test_organisations_get_slots_in_turn_and_their_oldest_call_first(clock: Clock) -> None:
    calls = Calls(FairQueue(1, clock=clock))
    await calls.begin("a", name="first")
    for organisation, number in (("a", 3), ("b", 2), ("c", 1)):
        for one in range(number):
            await calls.begin(organisation, name=f"{organisation}{one}")

    await calls.end("a")
    for _ in range(5):
        await calls.end(calls.entered[-1][0])

    assert calls.entered == ["first", "a0", "b0", "c0", "a1", "b1", "a2"]


@kills("shared/fair_queue.py", "elif len(line.waiting) >= MAX_WAITING:", "elif False:")
async def test_a_hundred_calls_of_one_organisation_wait_and_no_more(calls: Calls) -> None:
    for _ in range(PLACES + MAX_WAITING):
        await calls.begin("acme")

    with pytest.raises(QueueFullError):
        await calls.queue.acquire("acme", patience_s=0)
    other = await calls.begin("other")
    assert not other.done()

    await calls.end("acme")
    assert other.done()


async def test_a_call_that_waits_too_long_leaves_the_queue(calls: Calls) -> None:
    for _ in range(PLACES):
        await calls.begin("acme")

    with pytest.raises(TimeoutError):
        await calls.queue.acquire("acme", patience_s=0)
    await calls.begin("acme", name="later")
    await calls.end("acme")

    assert calls.entered[-1] == "later"


async def test_a_cancelled_call_leaves_the_queue(calls: Calls) -> None:
    for _ in range(PLACES):
        await calls.begin("acme")
    cancelled = [await calls.begin(organisation, name="cancelled") for organisation in ("acme", "other")]
    await calls.begin("acme", name="later")

    for call in cancelled:
        call.cancel()
    await settled()
    for _ in range(KEPT + 1):
        await calls.end("acme")

    assert calls.entered == ["acme"] * PLACES + ["later"]


@kills("shared/fair_queue.py", "if turn.done():", "if False:")
async def test_a_slot_that_comes_to_a_call_as_it_is_cancelled_goes_to_the_next(calls: Calls) -> None:
    for _ in range(PLACES):
        await calls.begin("acme")
    cancelled = await calls.begin("acme", name="cancelled")
    await calls.begin("acme", name="later")

    calls.queue.release("acme")
    cancelled.cancel()
    await settled()

    assert cancelled.cancelled()
    assert calls.entered[-1] == "later"


async def test_a_slot_that_becomes_free_as_a_call_is_cancelled_goes_to_the_next(calls: Calls) -> None:
    """The other order: the call was cancelled, or timed out, and has not run since."""
    for _ in range(PLACES):
        await calls.begin("acme")
    cancelled = await calls.begin("acme", name="cancelled")
    await calls.begin("acme", name="later")

    cancelled.cancel()
    calls.queue.release("acme")
    await settled()

    assert cancelled.cancelled()
    assert calls.entered[-1] == "later"


async def test_nothing_is_kept_of_an_organisation_without_calls(calls: Calls) -> None:
    for number in range(50):
        organisation = f"tenant-{number}"
        await calls.begin(organisation)
        await calls.end(organisation)
    with pytest.raises(TimeoutError):
        await FairQueue(0).acquire("acme", patience_s=0)

    assert calls.queue._lines == {}
    assert not calls.queue._turns


# --- what the tools report


async def test_a_write_whose_read_back_found_no_slot_may_have_been_done(existing: World) -> None:
    queue = existing.api._queue = FairQueue(1)
    others: list[asyncio.Task[None]] = []

    async def is_followed_by_another_call(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
        others.append(asyncio.create_task(queue.acquire("other", patience_s=GUARD_S)))
        await settled()
        existing.api._deadline_s = 0.2  # of the requests after this one
        return await inner.handle_async_request(request)

    existing.wire.when("POST", "/tickets/TCK-0002/history", is_followed_by_another_call)
    text, error = await existing.refused("add_ticket_history", ticketId="TCK-0002", userId="user3", comment="Hello")

    assert error["kind"] == "outcome_unknown"
    assert "It may have been changed" in text
    assert "othing was changed" not in text


async def test_a_write_that_found_no_slot_changed_nothing(existing: World) -> None:
    existing.api._queue = ImpatientQueue(1)
    await existing.api._queue.acquire("other", patience_s=GUARD_S)

    text, error = await existing.refused("add_ticket_history", ticketId="TCK-0002", userId="user3", comment="Hello")

    assert (error["kind"], error["effect"]) == ("busy", "nothing_changed")
    assert text == "Too many calls wait for the ticket API. Nothing was changed; try again in a moment."
    assert existing.wire.sent == []
