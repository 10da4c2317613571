"""What has to be recorded once Valkey is back: answers, and requests that were given up half-way. Bounded."""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from transport.sessions.valkey.scripts import ScriptFailedError

MAX_STEPS: Final = 4096

Step = Callable[[], Awaitable[bool]]
"""Records something; False when it has to be tried again. May raise BrokerUnavailableError."""


class Outbox:
    """Steps in the order in which they came.

    Args:
        max_bytes: of what the steps carry.
    """

    def __init__(self, max_bytes: int) -> None:
        self._steps: deque[tuple[Step, int]] = deque()
        self._max_bytes = max_bytes
        self._bytes = 0

    def is_full(self, size: int) -> bool:
        """Whether there is no room for so many bytes more."""
        return self._bytes + size > self._max_bytes or len(self._steps) >= MAX_STEPS

    def add(self, step: Step, size: int = 0) -> None:
        """Keep a step; the oldest goes when there are too many."""
        if len(self._steps) >= MAX_STEPS:
            self._bytes -= self._steps.popleft()[1]
        self._steps.append((step, size))
        self._bytes += size

    async def flush(self) -> None:
        """Take each step once; those that are not done stay. May be called while it runs.

        Raises:
            BrokerUnavailableError: this step and the rest stay.
        """
        for _ in range(len(self._steps)):
            if not self._steps:
                return  # somebody else works them off as well
            step, size = self._steps.popleft()
            self._bytes -= size
            try:
                is_done = await step()
            except ScriptFailedError:
                is_done = True  # it would fail for ever, and keep all others waiting
            except BaseException:  # a cancellation as well: what a step carries is a promise
                self._steps.appendleft((step, size))
                self._bytes += size
                raise
            if not is_done:
                self.add(step, size)
