"""What counts as a broken promise of an attack: late probes, except those sent while the machine was stalled."""

import math

import pytest

from tests.attacks.watch import Taken, bystander


@pytest.mark.parametrize(("late", "is_kept"), [(5, True), (6, False)])
def test_one_probe_in_twenty_may_be_late(late: int, is_kept: bool) -> None:
    assert Taken("health", 0.25, [0.01] * (100 - late) + [math.inf] * late).is_kept is is_kept


def test_probes_sent_while_the_machine_was_stalled_do_not_count() -> None:
    machine = Taken("bystander", 0.1, [0.01, 0.5, math.inf, 0.01])
    health = Taken("health", 0.25, [0.01, 0.6, 0.7, 0.8])

    counted = health.without(machine.late)

    assert counted.seconds == [0.01, 0.8]
    assert not counted.is_kept, "a server that is late on a machine that is not stalled breaks its promise"


async def test_the_bystander_responds() -> None:
    machine = Taken("bystander", 5.0)
    async with bystander() as probe:
        await machine.take(probe)
    assert machine.late == []
