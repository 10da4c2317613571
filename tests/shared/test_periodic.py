"""Work that is repeated: an error does not end it, and leaving it has a time limit."""

import asyncio

import pytest

from shared import periodic
from shared.periodic import periodic_task
from tests.captured_logs import capture_logs
from tests.kills import kills
from tests.transport.serving import until

SOON: float = 0.001
NEVER: float = 3600
PATIENCE_S: float = 30


class Runs:
    """Counts its runs; each may fail, or hang until `go_on` is set."""

    def __init__(self) -> None:
        self.started = 0
        self.ended = 0
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def __call__(self) -> None:
        self.started += 1
        await self.go_on.wait()
        self.ended += 1


async def test_work_is_repeated_until_the_block_is_left() -> None:
    runs = Runs()
    async with periodic_task(runs, name="test", every_s=SOON):
        await until(lambda: runs.ended >= 3)

    assert len(asyncio.all_tasks()) == 1


@kills("shared/periodic.py", "except Exception:", "except ZeroDivisionError:")
async def test_an_error_is_logged_and_does_not_end_the_task() -> None:
    runs = 0

    def fail() -> None:
        nonlocal runs
        runs += 1
        raise OSError

    with capture_logs() as logs:
        async with periodic_task(fail, name="test", every_s=SOON):
            await until(lambda: runs >= 2)

    assert {(line["message"], line["task"], line["severity"]) for line in logs} == {
        ("periodic_task_failed", "test", "ERROR")
    }


async def test_a_run_in_progress_ends_before_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "CLOSE_S", PATIENCE_S)
    work, last = Runs(), Runs()
    work.go_on.clear()
    loop = asyncio.get_running_loop()
    async with periodic_task(work, name="test", every_s=SOON, at_exit=last):
        await until(lambda: work.started == 1)
        loop.call_soon(loop.call_soon, work.go_on.set)

    assert (work.ended, last.ended) == (1, 1)


async def test_the_last_run_happens_even_if_none_did_before() -> None:
    last = Runs()
    async with periodic_task(Runs(), name="test", every_s=NEVER, at_exit=last):
        pass

    assert last.ended == 1


async def test_a_last_run_that_hangs_is_cancelled_and_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(periodic, "CLOSE_S", SOON)
    last = Runs()
    last.go_on.clear()
    with capture_logs() as logs:
        async with periodic_task(Runs(), name="test", every_s=NEVER, at_exit=last):
            pass

    assert [(line["message"], line["task"]) for line in logs] == [("periodic_task_unfinished", "test")]
    assert (last.started, last.ended) == (1, 0)
    assert len(asyncio.all_tasks()) == 1


async def test_without_a_last_run_the_one_in_progress_is_cancelled() -> None:
    work = Runs()
    work.go_on.clear()
    with capture_logs() as logs:
        async with periodic_task(work, name="test", every_s=SOON):
            await until(lambda: work.started == 1)

    assert work.ended == 0
    assert not logs
    assert len(asyncio.all_tasks()) == 1
