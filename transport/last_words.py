"""What a part still does although it is being closed or cancelled, within the time that is left."""

from typing import Final

import anyio

AT_LEAST_S: Final = 0.2
"""What is left to each part when the time of the whole is over, so that a server that answers still hears it."""


def last_words(seconds: float) -> anyio.CancelScope:
    """Return a scope that no outer cancellation ends, for at most `seconds`, and not beyond the deadline around it."""
    left_s = anyio.current_effective_deadline() - anyio.current_time()
    return anyio.move_on_after(min(seconds, max(left_s, AT_LEAST_S)), shield=True)
