"""The streams that this instance reads: taken over, read from the log, noted, and brought back after an outage."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.abc

from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.event_log import Event
from transport.sessions.session import Limits, SessionRecord
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.calls import FINISH_S
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalStream, new_token


class LocalStreams:
    """What the streams that are held here have in common: their way to the log.

    Args:
        instance: the way to the store, and where streams are held.
        ended: is told of a session that ended unnoticed.
    """

    def __init__(self, instance: ValkeyInstance, *, ended: Callable[[str], None]) -> None:
        self._instance = instance
        self._ended = ended

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._instance.limits

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Note what is to be noted soon, until left."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()

    def new(self, session: str, name: str) -> LocalStream:
        """Return a stream that nobody knows of yet."""
        return LocalStream(self, session, name, f"{self._instance.instance}-{new_token()}")

    async def attach(self, session: str, name: str, after: int | None) -> LocalStream | None:
        """Take over a stream, wherever it is held; None when there is no such stream.

        Raises:
            BrokerUnavailableError.
        """
        local = self.new(session, name)
        reply = await self._instance.ask(scripts.ATTACH, session, local.token, "" if after is None else after, name)
        if not reply:
            return None
        last, fields, pending, running = reply
        local.begin(
            self._instance.learn(session, fields),
            last=last,
            pending=codec.decode_events(pending),
            expected=codec.decode_requests(running),
            has_missed=True,  # what was published meanwhile found nobody
        )
        earlier = self._instance.add_stream(local)
        if earlier is not None:
            earlier.end()
        return local

    # ---- what a stream asks for

    async def read(self, local: LocalStream) -> tuple[int, list[Event]] | None:
        """Return the number of a stream's newest event, and its events that were not queued here.

        None, and a stream that ends, when another one has the session; None without a session.

        Raises:
            BrokerUnavailableError.
        """
        reply = await self._instance.call(scripts.READ, local.session, local.token, local.last, local.name)
        if not reply:
            return None
        newest, events, is_replaced = reply
        if is_replaced:
            local.end()
            return None
        return newest, codec.decode_events(events)

    async def pending(self, session: str, after: int) -> tuple[int, int]:
        """Return how many calls run anywhere that the standalone stream is owed, and how many events are newer.

        Raises:
            BrokerUnavailableError.
        """
        running, newer = await self._instance.call(scripts.PENDING, session, after)
        return running, newer

    def save_soon(self, local: LocalStream) -> None:
        """Keep at once how far a stream was written."""
        self._tasks.start_soon(self._save_quietly, local)

    async def release(self, local: LocalStream) -> None:
        """Give up a stream that was closed, unless another one has the session already."""
        self._instance.remove_stream(local)
        with anyio.move_on_after(FINISH_S, shield=True):
            await self._save_quietly(local, is_released=True)

    # ---- upkeep

    async def save_all(self) -> None:
        """Keep how far streams were written, and read what they have missed."""
        patience_s = self.limits.idle_s / 4
        async with anyio.create_task_group() as tasks:
            for local in self._instance.all_streams():
                if local.has_missed:
                    local.fall_behind()
                if local.needs_saving(patience_s):
                    tasks.start_soon(self._save_quietly, local)

    async def _save_quietly(self, local: LocalStream, *, is_released: bool = False) -> None:
        with suppress(BrokerUnavailableError):
            await self._save(local, is_released=is_released)

    async def _save(self, local: LocalStream, *, is_released: bool = False) -> None:
        """Keep how far a stream was written; find out whether it still has its session."""
        offsets = local.offsets()
        reply = await self._instance.call(
            scripts.OFFSETS, local.session, local.token, *offsets, int(is_released), local.name
        )
        local.offsets_saved(offsets)
        if reply < 0 and await self._instance.is_final():
            self._ended(local.session)
        elif reply == 0 and not is_released:
            local.end()

    async def bring_back(self, *, must_restore: bool) -> None:
        """Bring streams up to date after an outage: what was published meanwhile was missed.

        Raises:
            BrokerUnavailableError.
        """
        async with anyio.create_task_group() as tasks:
            for local in self._instance.all_streams():
                if local.record is not None:
                    tasks.start_soon(self._bring_back, local, local.record, must_restore)

    async def _bring_back(self, local: LocalStream, record: SessionRecord, must_restore: bool) -> None:
        if must_restore or not local.is_recorded:
            fields = (codec.encode_owner(record.owner), record.wire, *codec.record_fields(record), record.epoch)
            offsets = (local.last, *local.offsets())
            await self._instance.call(scripts.RESTORE, record.id, local.token, *fields, *offsets, local.name)
            local.is_recorded = True
            record.stamp = 0  # counted anew
        await self._save(local)
        local.fall_behind()
