"""The calls that run on this instance: found by session and attempt, cancelled by scope, waited for at the end."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import anyio

from shared.concurrency import new_scope
from shared.json_rpc import JSONRPCRequest
from transport.dispatch.context import DispatchContext
from transport.sessions.claims import Attempt
from transport.sessions.session import SessionRecord


@dataclass(slots=True, eq=False)
class RunningCall:
    """A call that runs. It is cancelled by its scope."""

    attempt: Attempt
    request: JSONRPCRequest
    context: DispatchContext
    scope: anyio.CancelScope = field(init=False, default_factory=new_scope)

    @property
    def session(self) -> str:
        """Id of its session, or a name of its own."""
        return self.attempt.session

    @property
    def listens(self) -> bool:
        """Whether it is a subscription, which ends when the server says so."""
        return self.request.method == "subscriptions/listen"


@dataclass(slots=True, eq=False)
class SessionCall(RunningCall):
    """A call of a session."""

    record: SessionRecord


class RunningCalls:
    """Every call that runs on this instance, by session and by the token of its attempt."""

    def __init__(self) -> None:
        self._of: dict[str, dict[str, RunningCall]] = {}
        self._ends: dict[RunningCall, asyncio.Event] = {}  # of those that somebody waits for
        self.is_stopping = False
        """Whether none may begin any more."""

    async def ended(self) -> None:
        """Wait until nothing runs."""
        while calls := self.all():
            await self.end_of(calls[0])

    async def end_of(self, call: RunningCall) -> None:
        """Wait until a call does not run any more."""
        if self.of(call.session).get(call.attempt.token) is call:
            await self._ends.setdefault(call, asyncio.Event()).wait()

    def of(self, session: str) -> Mapping[str, RunningCall]:
        """Return the calls of a session by the tokens of their attempts."""
        return self._of.get(session, {})

    def all(self) -> list[RunningCall]:
        """Return every call."""
        return [call for calls in self._of.values() for call in calls.values()]

    def add(self, call: RunningCall) -> None:
        """Add a call that begins."""
        self._of.setdefault(call.attempt.session, {})[call.attempt.token] = call

    def remove(self, call: RunningCall) -> None:
        """Remove a call that has ended."""
        calls = self._of[call.attempt.session]
        del calls[call.attempt.token]
        if not calls:
            del self._of[call.attempt.session]
        if call in self._ends:
            self._ends.pop(call).set()

    def cancel(self, session: str, token: str) -> bool:
        """Cancel an attempt at its client's wish, if it runs here; return whether it does."""
        call = self.of(session).get(token)
        if call is not None:
            call.context.cancel()
            call.scope.cancel()
        return call is not None

    def begin_epoch(self, session: str, epoch: int) -> None:
        """Cancel what runs of earlier epochs of a session: it has no response any more."""
        for call in self.of(session).values():
            if call.attempt.epoch < epoch:
                call.scope.cancel()

    def cancel_all_of(self, session: str) -> None:
        """Cancel what runs of a session that ended."""
        for call in self.of(session).values():
            call.scope.cancel()
