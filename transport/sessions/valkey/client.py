"""A client of one Valkey or Redis server: it runs scripts and receives published messages.

- Calls of one iteration of the event loop are pipelined on a few persistent connections: with a server that replies in
  microseconds, round trips are what costs. No order is promised between calls that are not awaited one after another.
- A call is sent again until it is answered or its time is up, so a script must tolerate repetition. One that timed out
  may still be *carried out later*: a server that was paused continues where it stopped.
- The caller of a call may be cancelled at any time: connections belong to tasks of the client.

Callers bound the number of waiting calls; each waits no longer than its own time limit.
"""

import asyncio
import hashlib
import re
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from redis.exceptions import ResponseError

from shared.telemetry import get_logger
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey.connection import ValkeyConnection, pack, pause_s
from transport.sessions.valkey.subscription import Subscription

log = get_logger(__name__)

MAX_CALLS: Final = 512
MAX_BYTES: Final = 4 * 1024 * 1024
"""Of the calls that travel together; a larger one travels alone."""
_NOT_NOW: Final = frozenset({
    *("LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN"),  # it starts, is busy, or fails over
    *("OOM", "MISCONF", "NOREPLICAS"),  # it takes no writes for now; an operator has to look
})  # fmt: skip
_LINE: Final = re.compile(r"on @user_script:(\d+)")


class Script:
    """One Lua script. It is sent by its digest, and in full only to a server that does not know it."""

    __slots__ = ("sha", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class _Call:
    __slots__ = ("args", "in_full", "packed", "response", "script")

    def __init__(self, script: Script, args: Sequence[str | bytes | float]) -> None:
        self.script = script
        self.args = args
        self.packed = pack(b"EVALSHA", script.sha, 0, *args)
        self.in_full = False
        self.response: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def send_in_full(self) -> None:
        self.packed = pack(b"EVAL", self.script.text, 0, *self.args)
        self.in_full = True

    def settle(self, outcome: object) -> None:
        """Give the caller its answer; an exception is raised there."""
        if not self.response.done():
            self.response.set_result(outcome)


class ValkeyClient:
    """Calls scripts and hears messages; use it inside `run`.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it. It is never shown: it has a password.
        channels: what to subscribe to, one or more.
        heard: is handed each published message. Must not wait.
        came_up: is awaited after each subscription, the first and every later one: messages were missed meanwhile.
            It may use `call`; when it raises, the subscription begins anew. A loss cancels it.
        connections: how many at most, next to the one of the subscription.
        wait_s: how long a call may take.

    Raises:
        ValueError: `url` cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        channels: Sequence[str],
        heard: Callable[[bytes], None],
        came_up: Callable[[], Awaitable[None]],
        connections: int = 8,
        wait_s: float = 4.0,
    ) -> None:
        try:
            self._connections = [ValkeyConnection(url) for _ in range(connections)]
            self._subscription = Subscription(ValkeyConnection(url), channels=channels, heard=heard, came_up=came_up)
        except (ValueError, TypeError):  # their text has parts of the URL
            raise ValueError("The address of the session broker cannot be read.") from None
        self._wait_s = wait_s
        self._waiting: deque[_Call] = deque()
        self._idle: list[asyncio.Future[None]] = []
        self._one_is_woken = False
        self._is_running = False
        self.calls = {"ok": 0, "failed": 0}
        """How many calls were answered, and how many were not in time or with an error."""

    @property
    def is_up(self) -> bool:
        """Whether messages are heard, and `came_up` has returned since they were last not."""
        return self._subscription.is_up

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Keep connections for the time of the block, once. The server may be down at the start and at the end."""
        working, listening = anyio.CancelScope(), anyio.CancelScope()
        worker = asyncio.create_task(self._work(working))
        listener = asyncio.create_task(self._subscription.run(listening))
        self._is_running = True
        try:
            yield
        finally:
            self._is_running = False
            with anyio.CancelScope(shield=True):
                for scope, task in ((listening, listener), (working, worker)):
                    scope.cancel()
                    await task
            while self._waiting:
                self._waiting.popleft().settle(BrokerUnavailableError())

    def subscribe_again(self) -> None:
        """Have `came_up` called once more."""
        self._subscription.again()

    async def call(self, script: Script, *args: str | bytes | float, wait_s: float | None = None) -> Any:
        """Run `script` with `args` as its ARGV and no KEYS, and return what it returns.

        Raises:
            BrokerUnavailableError: no answer within `wait_s` seconds.
            ResponseError: the script failed, by a mistake in it or by `redis.error_reply`.
        """
        if not self._is_running:
            raise BrokerUnavailableError
        call = _Call(script, args)
        self._waiting.append(call)
        self._wake_one()
        wait = self._wait_s if wait_s is None else wait_s
        timer = asyncio.get_running_loop().call_later(wait, lambda: call.settle(BrokerUnavailableError()))
        try:
            outcome = await call.response
        finally:
            timer.cancel()
        if isinstance(outcome, Exception):
            self.calls["failed"] += 1
            raise outcome
        self.calls["ok"] += 1
        return outcome

    # Calls: each connection has a worker; who is woken takes all that waits by then.

    async def _work(self, scope: anyio.CancelScope) -> None:
        with scope:
            async with anyio.create_task_group() as workers:
                for connection in self._connections:
                    workers.start_soon(self._work_on, connection)

    async def _work_on(self, connection: ValkeyConnection) -> None:
        failures = 0
        try:
            while True:
                batch = await self._next_batch()
                try:
                    is_well = await self._deliver(connection, batch)
                finally:
                    self._waiting.extendleft(call for call in reversed(batch) if not call.response.done())
                if is_well:
                    failures = 0
                else:
                    await connection.cut()
                    failures += 1
                    await anyio.sleep(pause_s(failures))
        finally:
            await connection.cut()

    def _wake_one(self) -> None:
        if self._idle and not self._one_is_woken:
            self._one_is_woken = True
            self._idle.pop().set_result(None)  # the last to become idle: in quiet times it is always the same one

    async def _next_batch(self) -> list[_Call]:
        while not (batch := self._take()):
            woken = asyncio.get_running_loop().create_future()
            self._idle.append(woken)
            await woken
            self._one_is_woken = False
        if self._waiting:
            self._wake_one()
        return batch

    def _take(self) -> list[_Call]:
        batch, size = list[_Call](), 0
        while self._waiting and len(batch) < MAX_CALLS:
            call = self._waiting[0]
            if not call.response.done():
                size += len(call.packed)
                if batch and size > MAX_BYTES:
                    break
                batch.append(call)
            self._waiting.popleft()
        return batch

    async def _deliver(self, connection: ValkeyConnection, batch: Sequence[_Call]) -> bool:
        """Send `batch` and hand out the answers; False when something is wrong with the connection or the server."""
        replies: list[Any] = []
        is_well = True
        try:
            await connection.open()
            await connection.exchange([call.packed for call in batch], replies)
        except Exception as error:  # noqa: BLE001 - redis-py, TLS and the event loop each have their own; all mean this
            log.debug("broker_connection_lost", error=type(error).__name__)
            is_well = False
        unknown = set[Script]()
        for call, reply in zip(batch, replies, strict=False):  # calls without a reply are sent again
            code = _code(reply) if isinstance(reply, ResponseError) else None
            if code in _NOT_NOW:
                is_well = False
            elif code == "NOSCRIPT" and not call.in_full:
                if call.script not in unknown:  # the others come after it
                    unknown.add(call.script)
                    call.send_in_full()
            else:
                if code is not None:
                    line = _LINE.search(str(reply))
                    log.error("script_failed", script=call.script.sha, error=code, line=line and int(line[1]))
                call.settle(reply)
        return is_well


def _code(error: ResponseError) -> str:
    """Return the word an error begins with; the rest may have what a script was called with."""
    word = error.status_code or str(error).partition(" ")[0]
    return word if word.isascii() and word.isalpha() and word.isupper() else "ERR"
