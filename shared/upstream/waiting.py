"""How long a tool call waits for the ticket API, so that the rest of its time is known to be ours."""

import time
from contextvars import ContextVar
from types import TracebackType
from typing import Self

_waiting: ContextVar["Waiting | None"] = ContextVar("waiting_for_api", default=None)


class Waiting:
    """The time in which at least one request to a ticket API ran, of those that are made inside of the block.

    Requests that run at the same time count once. Requests of tasks that were started inside count, too.
    """

    __slots__ = ("_running", "_seconds", "_since", "_token")

    def __init__(self) -> None:
        self._running = 0
        self._since = self._seconds = 0.0

    def __enter__(self) -> Self:
        self._token = _waiting.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _waiting.reset(self._token)

    def seconds(self, now: float) -> float:
        """Return it until `now`, by `time.monotonic`."""
        return self._seconds if not self._running else self._seconds + now - self._since

    def begin(self, now: float) -> None:
        """Take note that a request begins."""
        if not self._running:
            self._since = now
        self._running += 1

    def end(self, now: float) -> None:
        """Take note that a request has ended."""
        self._running -= 1
        if not self._running:
            self._seconds += now - self._since


class ApiRequest:
    """One request to a ticket API: the call that made it waits until `end`."""

    __slots__ = ("_started", "_waiting")

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._waiting = _waiting.get()
        if self._waiting is not None:
            self._waiting.begin(self._started)

    def end(self) -> float:
        """Return how long it took, in seconds."""
        now = time.monotonic()
        if self._waiting is not None:
            self._waiting.end(now)
        return now - self._started
