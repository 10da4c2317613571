"""A time limit: it does not get in the way of what is done at once, and ends what is not."""

import asyncio

import pytest

from shared.concurrency import within


async def test_what_is_done_at_once_needs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once() -> int:
        return 7

    monkeypatch.setattr(asyncio, "timeout", lambda _: pytest.fail("a timer was set"))

    assert await within(5, at_once()) == 7


async def test_what_waits_has_its_result_when_it_is_there() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def waits() -> str:
        await first.wait()
        second.set()
        await asyncio.sleep(0)
        return "done"

    asyncio.get_running_loop().call_soon(first.set)
    assert await within(5, waits()) == "done"
    assert second.is_set()


async def test_what_takes_too_long_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with pytest.raises(TimeoutError):
        await within(0.01, hangs())
    assert cancelled.is_set()


async def test_a_failure_is_the_caller_s_whenever_it_happens() -> None:
    async def fails(after: int) -> None:
        for _ in range(after):
            await asyncio.sleep(0)
        raise KeyError(after)

    for after in (0, 1, 3):
        with pytest.raises(KeyError, match=str(after)):
            await within(5, fails(after))


async def test_a_cancellation_from_outside_reaches_what_waits() -> None:
    reached = asyncio.Event()

    async def hangs() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            reached.set()

    task = asyncio.create_task(within(5, hangs()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reached.is_set()
