"""What counts as a broken promise of an attack: late probes, except those sent while the machine was stalled."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.attacks.stalls import Stalls, Taken
from tests.attacks.watch import bystander

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def sent(*seconds: float, limit_s: float = 0.25) -> Taken:
    """Return requests that were sent one second apart."""
    return Taken("test", limit_s, list(seconds), [float(second) for second in range(len(seconds))])


class Seen(Stalls):
    """Stalls that only the bystander has seen."""

    def __init__(self, bystander: Taken) -> None:
        self._bystander = bystander
        self._seen = []


@pytest.mark.parametrize(("late", "is_kept"), [(5, True), (6, False)])
def test_one_probe_in_twenty_may_be_late(late: int, is_kept: bool) -> None:
    assert sent(*[0.01] * (100 - late) + [math.inf] * late).is_kept is is_kept


def test_probes_sent_while_the_machine_was_stalled_do_not_count() -> None:
    stalls = Seen(sent(0.01, 0.3, 0.01, 0.01, limit_s=0.1))

    counted = sent(0.01, 0.6, 0.01, 0.8).without(stalls)

    assert counted.seconds == [0.01, 0.01, 0.8]
    assert not counted.is_kept, "a server that is late on a machine that is not stalled breaks its promise"


def test_a_stall_in_the_middle_of_a_probe_or_just_before_it_leaves_that_out() -> None:
    stalls = Seen(Taken("bystander", 0.1, [0.5], [0.9]))

    counted = sent(2.0, 0.3, 0.3, limit_s=1.0).without(stalls)

    assert counted.sent_at == [2.0], "until 1.4 the machine is stalled, until 1.9 the server catches up"


@pytest.fixture
def stopped() -> Iterator[int]:
    """The id of a process that is stopped."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        process.send_signal(signal.SIGSTOP)
        yield process.pid
        process.kill()


@LINUX
async def test_a_server_that_is_stopped_is_a_stall(stopped: int) -> None:
    stalls = Stalls(stopped, sent())
    while not list(stalls.periods()):
        await stalls.sleep(0.01)


@LINUX
async def test_a_process_that_oversleeps_is_a_stall() -> None:
    stalls = Stalls(os.getpid(), sent())
    stalls.sampled_at -= 0.5
    await stalls.sleep(0)

    ((begin, end),) = stalls.periods()
    assert end - begin >= 2 * 0.5, "as long again to catch up"


async def test_the_bystander_responds() -> None:
    machine = Taken("bystander", 5.0)
    async with bystander() as probe:
        await machine.take(probe)
    assert machine.late == []
