"""Hears what is published: one connection that is subscribed, or on its way to be, for as long as it runs.

A dead server is noticed within three seconds. After every subscription `came_up` brings its owner up to date, since
what was published meanwhile is lost.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from shared.telemetry import get_logger
from transport.sessions.valkey.connection import ValkeyConnection, pack, pause_s

log = get_logger(__name__)

QUIET_S: Final = 1.0
"""A server that was silent for so long is asked for a sign of life."""
ANSWER_S: Final = 1.0
"""How long it may take to give one; then it is given up."""
_PING: Final = pack(b"PING")


class Subscription:
    """Hands each message of `channels` to `heard`; the rest as `ValkeyClient` promises."""

    def __init__(
        self,
        connection: ValkeyConnection,
        *,
        channels: Sequence[str],
        heard: Callable[[bytes], None],
        came_up: Callable[[], Awaitable[None]],
    ) -> None:
        self.is_up = False
        """Whether messages are heard, and `came_up` has returned since they were last not."""
        self._connection = connection
        self._channels = channels
        self._heard = heard
        self._came_up = came_up
        self._down_since: float | None = None

    async def run(self, scope: anyio.CancelScope) -> None:
        """Subscribe, again after each loss, until `scope` is cancelled."""
        failures = 0
        with scope:
            while True:
                failures = 1 if await self._follow() else failures + 1
                await anyio.sleep(pause_s(failures))

    def again(self) -> None:
        """Subscribe anew, as after a loss, unless that is under way already."""
        if self.is_up:
            self._connection.abort()

    async def _follow(self) -> bool:
        """Subscribe and hear messages until that is lost; return whether it came up in between."""
        was_up = False

        async def come_up() -> None:
            nonlocal was_up
            try:
                await self._came_up()
            except Exception as error:  # noqa: BLE001 - without it sessions are not up to date, whatever the reason
                self._lost(error)
                tasks.cancel_scope.cancel()
            else:
                was_up = True
                self._found()

        def subscribed() -> None:
            tasks.start_soon(come_up)

        try:
            async with anyio.create_task_group() as tasks:
                try:
                    await self._connection.open()
                    await self._hear(subscribed)
                except Exception as error:  # noqa: BLE001 - redis-py, TLS and the event loop each have their own
                    self._lost(error)
                    tasks.cancel_scope.cancel()
        finally:
            self.is_up = False
            await self._connection.cut()
        return was_up

    async def _hear(self, subscribed: Callable[[], None]) -> None:
        """Call `subscribed` once, then hear messages until the connection fails, which raises."""
        await self._connection.send(pack(b"SUBSCRIBE", *self._channels))
        missing, is_asked = len(self._channels), False
        while True:
            said = await self._connection.read(within=ANSWER_S if is_asked else QUIET_S)
            if said is None:
                if is_asked:
                    raise TimeoutError
                await self._connection.send(_PING)
            is_asked = said is None
            match said:
                case Exception():
                    raise said
                case [b"message", _, message]:
                    self._hand_over(message)
                case [b"subscribe", *_]:
                    missing -= 1
                    if missing == 0:
                        subscribed()

    def _hand_over(self, message: bytes) -> None:
        try:
            self._heard(message)
        except Exception as error:  # noqa: BLE001 - one bad message must not cost all others
            log.error("broker_message_failed", error=type(error).__name__)

    def _lost(self, error: Exception) -> None:
        self.is_up = False
        if self._down_since is None:
            self._down_since = asyncio.get_running_loop().time()
            log.warning("broker_lost", error=type(error).__name__)

    def _found(self) -> None:
        self.is_up = True
        if self._down_since is not None:
            seconds = asyncio.get_running_loop().time() - self._down_since
            self._down_since = None
            log.info("broker_back", seconds_down=round(seconds, 1))
