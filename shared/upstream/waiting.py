"""How long a tool call waits for the ticket API, so that the rest of its time is known to be ours."""

import time
from contextvars import ContextVar

_waiting: ContextVar["Waiting | None"] = ContextVar("waiting_for_api", default=None)


class Waiting:
    """The time in which at least one request to a ticket API runs, of those that this task and its tasks make from now.

    Requests that run at the same time count once. It ends where the next one begins.
    """

    __slots__ = ("_running", "_seconds", "_since")

    def __init__(self) -> None:
        self._running = 0
        self._since = self._seconds = 0.0
        _waiting.set(self)

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
    """One request to a ticket API: the call that makes it waits until `end`."""

    __slots__ = ("_started", "_waiting")

    def __init__(self) -> None:
        self._started = now = time.monotonic()
        self._waiting = waiting = _waiting.get()
        if waiting is not None:
            waiting.begin(now)

    def end(self) -> float:
        """Return how long it took, in seconds."""
        now = time.monotonic()
        if self._waiting is not None:
            self._waiting.end(now)
        return now - self._started
