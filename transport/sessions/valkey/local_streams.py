"""The streams that this instance reads: taken over, read from the log, saved, and restored after an outage."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

import anyio
import anyio.abc

from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.claims import new_token
from transport.sessions.event_log import Event
from transport.sessions.session import Limits, SessionRecord
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.calls import FINISH_S
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalStream

SAVED_TOGETHER: Final = 32
"""Streams whose offsets one script keeps: while it runs, every other call waits."""


class LocalStreams:
    """What the streams that are read here have in common: their way to the log.

    Args:
        instance: the way to the store, and where streams are held.
        ended: is called for a session that ended unnoticed.
    """

    def __init__(self, instance: ValkeyInstance, *, ended: Callable[[str], None]) -> None:
        self._instance = instance
        self._ended = ended
        self._released = list[LocalStream]()
        """Complete streams whose end is still to be kept."""

    @property
    def limits(self) -> Limits:
        """Bounds of this instance."""
        return self._instance.limits

    @asynccontextmanager
    async def run(self) -> AsyncGenerator[None]:
        """Save inside this context what is to be saved soon."""
        async with anyio.create_task_group() as self._tasks:
            try:
                yield
            finally:
                self._tasks.cancel_scope.cancel()

    def new(self, session: str, name: str) -> LocalStream:
        """Return a stream that no other instance knows yet."""
        return LocalStream(self, session, name, new_token())

    @contextmanager
    def taking_over(self, stream: LocalStream) -> Iterator[None]:
        """Receive what is published for `stream`; unless it began inside, its reader of before receives that again."""
        earlier = self._instance.add_stream(stream)
        try:
            yield
        finally:
            if stream.record is None:
                self._instance.remove_stream(stream)
            if earlier is not None:
                if stream.record is not None:
                    earlier.end()
                else:
                    self._instance.add_stream(earlier)
                    earlier.fall_behind()

    def join(self, stream: LocalStream, name: str) -> None:
        """Make a new stream read that of an earlier POST, which its own POST repeats."""
        self._instance.remove_stream(stream)
        stream.name = name
        earlier = self._instance.add_stream(stream)
        if earlier is not None:
            earlier.end()
        stream.fall_behind()  # what was published meanwhile was not for this name

    async def attach(self, session: str, name: str, after: int | None) -> LocalStream | None:
        """Take over a stream, wherever it is read; None when there is no such stream.

        Raises:
            BrokerUnavailableError.
        """
        stream = self.new(session, name)
        with self.taking_over(stream):
            args = (session, stream.token, "" if after is None else after, name)
            reply = await self._instance.ask(scripts.ATTACH, *args)
            if not reply:
                return None
            last, fields, pending, running = reply
            stream.begin(
                self._instance.learn(session, fields),
                last=last,
                pending=codec.decode_events(pending),
                expected=codec.decode_requests(running),
            )
        return stream

    def on_published(self, kind: bytes, head: bytes, body: bytes) -> None:
        """Pass on what another instance published about a stream: the lines that lua/ makes with `say`."""
        session, name, about = head.split(b" ", 2)
        stream = self._instance.stream(session.decode(), name.decode())
        if stream is None:
            return
        if kind == b"event":
            stream.offer(*codec.decode_published(about.split(b" ", 4), body))
        elif kind == b"withdrawn":
            number, _, request = about.partition(b" ")
            stream.withdraw(codec.decode_request(request), int(number))
        elif stream.token == about.decode():  # it was replaced
            stream.end()

    # ---- what a stream asks for

    async def read(self, stream: LocalStream) -> tuple[int, list[Event]] | None:
        """Return the number of a stream's newest event, and its events that were not queued here.

        None, and a stream that ends, when another reader took it over; None without a session.

        Raises:
            BrokerUnavailableError.
        """
        reply = await self._instance.call(scripts.READ, stream.session, stream.token, stream.last, stream.name)
        if not reply:
            return None
        newest, events, is_replaced = reply
        if is_replaced:
            stream.end()
            return None
        return newest, codec.decode_events(events)

    async def pending(self, session: str, after: int) -> tuple[int, int]:
        """Return how many attempts the standalone stream waits for, and how many events are newer.

        Raises:
            BrokerUnavailableError.
        """
        running, newer = await self._instance.call(scripts.PENDING, session, after)
        return running, newer

    def save_soon(self, stream: LocalStream) -> None:
        """Keep at once how far a stream was written."""
        self._tasks.start_soon(self._save_quietly, [stream])

    async def release(self, stream: LocalStream) -> None:
        """Give up a stream that was closed, unless another one took its place already.

        For one that is complete there is no hurry: most POSTs end so, and theirs are kept together with others. The
        first of a session is kept at once: a client that ignores its sessions needs the room of each for the next.
        """
        self._instance.remove_stream(stream)
        if stream.is_complete and stream.record is not None and stream.record.initialized:
            self._released.append(stream)
            return
        with anyio.move_on_after(FINISH_S, shield=True):
            await self._save_quietly([stream], is_released=True)

    # ---- upkeep

    async def save_all(self) -> None:
        """Keep how far streams were written, and read what they have missed."""
        patience_s = self.limits.idle_s / 4
        streams = self._instance.all_streams()
        for stream in streams:
            if stream.has_missed:
                stream.fall_behind()
        await self._save_quietly([stream for stream in streams if stream.needs_saving(patience_s)])
        await self.save_released()

    async def save_released(self) -> None:
        """Keep that complete streams were given up."""
        released, self._released = self._released, []
        await self._save_quietly(released, is_released=True)

    async def _save_quietly(self, streams: Sequence[LocalStream], *, is_released: bool = False) -> None:
        for first in range(0, len(streams), SAVED_TOGETHER):
            with suppress(BrokerUnavailableError):
                await self._save(streams[first : first + SAVED_TOGETHER], is_released=is_released)

    async def _save(self, streams: Sequence[LocalStream], *, is_released: bool = False) -> None:
        """Keep how far streams were written; find out whether they are still read here."""
        offsets = [stream.offsets() for stream in streams]
        args = list[str | int]()
        for stream, written in zip(streams, offsets, strict=True):
            args += (stream.session, stream.token, *written, stream.name)
        replies = await self._instance.call(scripts.SAVE_OFFSETS, int(is_released), *args)
        for stream, written, reply in zip(streams, offsets, replies, strict=True):
            stream.saved(written)
            if reply < 0 and await self._instance.is_final():
                self._ended(stream.session)
            elif reply == 0 and not is_released:
                stream.end()

    async def bring_back(self, *, must_restore: bool) -> None:
        """Bring streams up to date after an outage: what was published meanwhile was missed.

        Raises:
            BrokerUnavailableError.
        """
        async with anyio.create_task_group() as tasks:
            for stream in self._instance.all_streams():
                if stream.record is not None:
                    tasks.start_soon(self._bring_back, stream, stream.record, must_restore)

    async def _bring_back(self, stream: LocalStream, record: SessionRecord, must_restore: bool) -> None:
        if must_restore:
            fields = (codec.encode_owner(record.owner), record.wire, *codec.record_fields(record), record.epoch)
            offsets = (stream.last, *stream.offsets())
            await self._instance.call(scripts.RESTORE, record.id, stream.token, *fields, *offsets, stream.name)
            record.stamp = 0  # counted anew
        await self._save([stream])
        stream.fall_behind()
