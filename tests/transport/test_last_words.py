"""Clean-up work of a part while it closes: shielded, and within the deadline of the whole."""

import anyio

from transport.last_words import AT_LEAST_S, last_words


async def spent(whole_s: float, seconds: float) -> float:
    """Return how long clean-up work of `seconds` took when the whole had `whole_s`."""
    began = anyio.current_time()
    with anyio.move_on_after(whole_s):
        with last_words(seconds):
            await anyio.sleep_forever()
    return anyio.current_time() - began


async def test_last_words_end_with_the_deadline_around_them() -> None:
    assert await spent(0.3, 5) < 1


async def test_last_words_have_their_own_time_too() -> None:
    assert await spent(5, 0.1) < 1


async def test_a_part_that_is_cancelled_still_has_its_last_words() -> None:
    said = False
    with anyio.CancelScope() as whole:
        whole.cancel()
        with last_words(5):
            await anyio.sleep(AT_LEAST_S / 4)
            said = True
    assert said
