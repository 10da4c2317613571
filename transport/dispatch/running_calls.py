"""The calls that run on this instance, by session; and when none runs any more."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio
from mcp_types import RequestId

from transport.dispatch.context import DispatchContext


@dataclass(slots=True, eq=False)
class RunningCall:
    """A call that runs. Cancelled by its scope, never by its task, which libraries below have been seen to swallow."""

    epoch: int
    writes: bool
    listens: bool
    """It is a subscription, which ends when the server says so."""
    context: DispatchContext
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    done: anyio.Event = field(default_factory=anyio.Event)


class RunningCalls:
    """Every call that runs here."""

    def __init__(self) -> None:
        self._of: dict[str, dict[RequestId, RunningCall]] = {}
        self.is_stopping = False
        """Whether none may begin any more."""
        self.quiet = asyncio.Event()
        """Set while nothing runs."""
        self.quiet.set()

    def of(self, session: str) -> Mapping[RequestId, RunningCall]:
        """Return the calls of a session by the ids of their requests."""
        return self._of.get(session, {})

    def all(self) -> list[RunningCall]:
        """Return every call."""
        return [call for calls in self._of.values() for call in calls.values()]

    def add(self, session: str, request: RequestId, call: RunningCall) -> None:
        """Note that a call begins."""
        self._of.setdefault(session, {})[request] = call
        self.quiet.clear()

    def begin_epoch(self, session: str, epoch: int) -> None:
        """Cancel what runs of earlier epochs of a session: its answers are not wanted any more."""
        for call in self.of(session).values():
            if call.epoch < epoch:
                call.scope.cancel()

    def remove(self, session: str, request: RequestId, call: RunningCall) -> None:
        """Note that a call has ended, unless a later one of the same id took its place."""
        calls = self._of.get(session, {})
        if calls.get(request) is call:
            del calls[request]
        if not calls:
            self._of.pop(session, None)
        if not self._of:
            self.quiet.set()
        call.done.set()
