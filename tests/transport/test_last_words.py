"""Clean-up work of a part while it closes: shielded, and within the deadline of the whole."""

import anyio
import pytest

from transport import last_words as module
from transport.last_words import last_words

LONG_S = 60.0
"""Far more than any stall of the machine."""


async def spent(whole_s: float, seconds: float) -> float:
    """Return how long clean-up work of `seconds` took when the whole had `whole_s`."""
    began = anyio.current_time()
    with anyio.move_on_after(whole_s):
        with last_words(seconds):
            await anyio.sleep_forever()
    return anyio.current_time() - began


async def test_last_words_end_with_the_deadline_around_them() -> None:
    assert await spent(0.1, LONG_S) < LONG_S / 2


async def test_last_words_have_their_own_time_too() -> None:
    assert await spent(LONG_S, 0.1) < LONG_S / 2


async def test_a_part_that_is_cancelled_still_has_its_last_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AT_LEAST_S", LONG_S / 2)
    said = False
    with anyio.CancelScope() as whole:
        whole.cancel()
        with last_words(LONG_S):
            await anyio.sleep(0.05)
            said = True
    assert said
