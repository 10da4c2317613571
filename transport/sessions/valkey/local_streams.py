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
        hub: the way to the store, and where streams are held.
        ended: is told of a session that ended unnoticed.
    """

    def __init__(self, hub: ValkeyInstance, *, ended: Callable[[str], None]) -> None:
        self._hub = hub
        self._ended = ended

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._hub.limits

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
        return LocalStream(self, session, name, f"{self._hub.instance}-{new_token()}")

    async def attach(self, session: str, name: str, after: int | None) -> LocalStream | None:
        """Take over a stream, wherever it is held; None when there is no such stream.

        Raises:
            BrokerUnavailableError.
        """
        held = self.new(session, name)
        reply = await self._hub.ask(scripts.ATTACH, session, held.token, "" if after is None else after, name)
        if not reply:
            return None
        last, fields, owed, running = reply
        held.begin(
            self._hub.learn(session, fields),
            last=last,
            owed=codec.decode_events(owed),
            expected=codec.decode_requests(running),
            has_missed=True,  # what was published meanwhile found nobody
        )
        earlier = self._hub.hold(held)
        if earlier is not None:
            earlier.end()
        return held

    # ---- what a stream asks for

    async def read(self, held: LocalStream) -> tuple[int, list[Event]] | None:
        """Return the number of a stream's newest event, and its events that were not queued here.

        None, and a stream that ends, when another one has the session; None without a session.

        Raises:
            BrokerUnavailableError.
        """
        reply = await self._hub.call(scripts.READ, held.session, held.token, held.last, held.name)
        if not reply:
            return None
        newest, events, is_replaced = reply
        if is_replaced:
            held.end()
            return None
        return newest, codec.decode_events(events)

    async def owes(self, session: str, after: int) -> tuple[int, int]:
        """Return how many calls run anywhere that the standalone stream is owed, and how many events are newer.

        Raises:
            BrokerUnavailableError.
        """
        running, newer = await self._hub.call(scripts.PENDING, session, after)
        return running, newer

    def note_soon(self, held: LocalStream) -> None:
        """Keep at once how far a stream was written."""
        self._tasks.start_soon(self._note_quietly, held)

    async def release(self, held: LocalStream) -> None:
        """Give up a stream that was closed, unless another one has the session already."""
        self._hub.let_go(held)
        with anyio.move_on_after(FINISH_S, shield=True):
            await self._note_quietly(held, is_released=True)

    # ---- upkeep

    async def note_all(self) -> None:
        """Keep how far streams were written, and read what they have missed."""
        patience_s = self.limits.idle_s / 4
        async with anyio.create_task_group() as tasks:
            for held in self._hub.readers():
                if held.has_missed:
                    held.fall_behind()
                if held.needs_noting(patience_s):
                    tasks.start_soon(self._note_quietly, held)

    async def _note_quietly(self, held: LocalStream, *, is_released: bool = False) -> None:
        with suppress(BrokerUnavailableError):
            await self._note(held, is_released=is_released)

    async def _note(self, held: LocalStream, *, is_released: bool = False) -> None:
        """Keep how far a stream was written; find out whether it still has its session."""
        marks = held.marks()
        reply = await self._hub.call(scripts.OFFSETS, held.session, held.token, *marks, int(is_released), held.name)
        held.noted(marks)
        if reply < 0 and await self._hub.is_final():
            self._ended(held.session)
        elif reply == 0 and not is_released:
            held.end()

    async def bring_back(self, *, must_restore: bool) -> None:
        """Bring streams up to date after an outage: what was published meanwhile was missed.

        Raises:
            BrokerUnavailableError.
        """
        async with anyio.create_task_group() as tasks:
            for held in self._hub.readers():
                if held.record is not None:
                    tasks.start_soon(self._bring_back, held, held.record, must_restore)

    async def _bring_back(self, held: LocalStream, record: SessionRecord, must_restore: bool) -> None:
        if must_restore or not held.is_recorded:
            fields = (codec.encode_owner(record.owner), record.wire, *codec.record_fields(record), record.epoch)
            marks = (held.last, *held.marks())
            await self._hub.call(scripts.RESTORE, record.id, held.token, *fields, *marks, held.name)
            held.is_recorded = True
            record.stamp = 0  # counted anew
        await self._note(held)
        held.fall_behind()
