"""The broker of many instances: sessions, request ids and event logs live in Valkey or Redis.

Any instance may take a POST or a stream of any session. A call costs two round trips: `admit`, which records and
claims, and `finish`, which stores the answer, gives up the claim and tells the instance that holds the stream. What is
kept, and every step that two instances may race for, is in lua/; calls are in `calls`, streams in
`local_stream`, dead instances in `lease`, and how everything travels in `client`.

While Valkey is away, streams stay open, and calls whose session's stream is held here run from memory; everything else
waits for a short while and is then refused.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final, Self

import anyio
import anyio.abc
from mcp_types import RequestId

from shared.identity import PrincipalKey
from shared.telemetry import get_logger
from transport.last_words import last_words
from transport.sessions.broker import (
    BrokerUnavailableError,
    CapReachedError,
    ClaimResult,
    ClaimStatus,
    InstanceMessage,
    Listener,
    RequestClaim,
)
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import Limits, SessionRecord, has_room
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.calls import FINISH_S, Calls, Post
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalStream
from transport.sessions.valkey.local_streams import LocalStreams
from transport.sessions.valkey.rate_limit import SharedBuckets
from transport.sessions.valkey.recent_writes import SharedRecentWrites
from transport.sessions.valkey.stream_counts import SharedStreamCounts

log = get_logger(__name__)

PREFIX: Final = "{mcp}:"
"""In front of every key. The braces keep them together on one node of a cluster."""
CLAIM_S: Final = 4.0
"""How long a request may wait for Valkey; the Python client gives a POST 5 s."""
PUBLISH_S: Final = 4.0
SAVE_EVERY_S: Final = 1.0
SETTLE_S: Final = 1.0
"""After an outage: how long instances have to record what they did meanwhile, before others take over."""


class ValkeyBroker:
    """Shares sessions with all instances that use the same server and prefix.

    Args:
        url: see `from_url`.
        limits: bounds of this instance.
        prefix: in front of every key and channel.

    Raises:
        ValueError: `url` cannot be read.
    """

    is_shared = True

    def __init__(self, url: str, *, limits: Limits | None = None, prefix: str = PREFIX) -> None:
        self._limits = limits if limits is not None else Limits()
        self._instance = ValkeyInstance(
            url,
            limits=self._limits,
            prefix=prefix,
            heard=self._heard,
            came_up=self._came_up,
            take_over_dead=self._take_over_dead,
        )
        self._calls = Calls(self._instance, dropped=self._dropped)
        self._local_streams = LocalStreams(self._instance, ended=self._ended)
        self.buckets = SharedBuckets(self._instance)
        self.streams = SharedStreamCounts(self._instance)
        self.recent_writes = SharedRecentWrites(self._instance)
        self._listener: Listener | None = None
        self._settled_at = 0.0

    @classmethod
    def from_url(cls, url: str, *, limits: Limits | None = None) -> Self:
        """Return a broker on the server at `url`: `redis://`, or `rediss://` for TLS, with user and password in it."""
        return cls(url, limits=limits)

    @property
    def instance(self) -> str:
        """Name of this instance."""
        return self._instance.instance

    @property
    def is_up(self) -> bool:
        """Whether sessions can be reached now."""
        return self._instance.client.is_up

    @asynccontextmanager
    async def run(self, listener: Listener) -> AsyncGenerator[None]:
        """Work until left; what could not be recorded by then has one more second."""
        self._listener = listener
        async with self._instance.client.run():
            try:
                async with anyio.create_task_group() as self._tasks, self._local_streams.run():
                    self._tasks.start_soon(self._instance.lease.keep)
                    self._tasks.start_soon(self._keep_saving)
                    try:
                        yield
                    finally:
                        self._tasks.cancel_scope.cancel()
            finally:
                with last_words(FINISH_S), suppress(BrokerUnavailableError):
                    await self._instance.outbox.flush()
                    await self._instance.call(scripts.LEAVE)

    # ---- sessions

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session. The instance's cap counts the streams it holds: the rest costs it nothing.

        An organisation that holds so many that others would find no place has to wait.
        """
        factor = 2 if reconnect else 1
        readers, most = self._instance.all_streams(), self._limits.max_sessions * factor
        mine = sum(one.record is not None and one.record.owner[0] == record.owner[0] for one in readers)
        if len(readers) >= most or not has_room(mine, len(readers), most):
            raise CapReachedError(whole_instance=True)
        cap = self._limits.max_sessions_per_principal * factor
        owner = codec.encode_owner(record.owner)
        if not await self._instance.call(
            scripts.OPEN, record.id, owner, record.wire, *codec.record_fields(record), cap
        ):
            raise CapReachedError(whole_instance=False)

    async def find(self, session: str) -> SessionRecord | None:
        """Return the record of a living session."""
        fields = await self._instance.ask(scripts.FIND, session)
        return self._instance.learn(session, fields) if fields else None

    async def save(self, record: SessionRecord) -> None:
        """Keep what `initialize` and `initialized` changed: now, or once Valkey is back."""
        what = (record.id, record.epoch, *codec.record_fields(record))
        try:
            stamp = await self._instance.call(scripts.SAVE, *what, wait_s=FINISH_S)
        except BrokerUnavailableError:
            self._instance.outbox.add(partial(self._deferred, scripts.SAVE, *what))
        else:
            record.stamp = stamp or record.stamp

    async def _deferred(self, script: Script, *args: str | bytes | int) -> bool:
        await self._instance.call(script, *args)
        return True

    async def end(self, session: str) -> None:
        """End a session."""
        await self._instance.call(scripts.END, session)
        self._ended(session)

    def _dropped(self) -> None:
        if self._listener is not None:
            self._listener.on_response_dropped()

    def _ended(self, session: str) -> None:
        self._instance.forget(session)
        if self._listener is not None:
            self._listener.on_session_ended(session)

    # ---- calls and messages

    async def claim(self, session: str, owner: PrincipalKey, wire: str, calls: Sequence[RequestClaim]) -> ClaimResult:
        """Record requests before they run."""
        deadline = asyncio.get_running_loop().time() + CLAIM_S
        if session not in self._instance.streams:
            await self._settle(deadline)
        wait_s = max(FINISH_S, deadline - asyncio.get_running_loop().time())
        if not calls or not calls[0].stream:
            record, statuses, waits = await self._calls.claim(Post(session, owner, wire, calls), wait_s=wait_s)
            return ClaimResult(record, statuses, None, waits=waits)
        reader = self._local_streams.new(session, calls[0].stream)
        earlier = self._instance.add_stream(reader)  # before anything can be published for it
        try:
            post = Post(session, owner, wire, calls, reader)
            record, statuses, waits = await self._calls.claim(post, wait_s=wait_s)
            is_taken = ClaimStatus.REFUSED not in statuses
        except BaseException:
            is_taken = False
            raise
        finally:
            if not is_taken:
                self._instance.remove_stream(reader)
            if earlier is not None:
                earlier.end() if is_taken else self._instance.add_stream(earlier)
        return ClaimResult(record, statuses, reader if is_taken else None, reader.last, waits)

    async def _settle(self, deadline: float) -> None:
        """Wait until whoever ran calls from memory has had time to record them: else a repeat would run as well."""
        clock = asyncio.get_running_loop().time
        while not self.is_up:
            if clock() > deadline:
                raise BrokerUnavailableError
            await anyio.sleep(SETTLE_S / 20)
        await anyio.sleep(max(0.0, self._settled_at - clock()))

    async def finish(self, session: str, epoch: int, request: RequestId, response: bytes | None) -> bool:
        """Close a running request."""
        return await self._calls.finish(session, epoch, request, response)

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send a notification or a request to the client; while Valkey is away, only where the stream is held here."""
        reader, what = self._instance.stream(session, stream), (session, int(kind), message, stream)
        try:
            if reader is not None and not self.is_up:
                raise BrokerUnavailableError
            number, *before = await self._instance.call(scripts.APPEND, *what, wait_s=FINISH_S)
        except BrokerUnavailableError:
            if reader is not None:
                reader.offer_unnumbered(Event(0, kind, 0.0, message))
            elif kind is Kind.REQUEST and not self._instance.outbox.is_full(
                len(message)
            ):  # somebody waits for its answer
                self._instance.outbox.add(partial(self._deferred, scripts.APPEND, *what), len(message))
        else:
            reader = self._instance.stream(session, stream)
            if reader is not None and number > 0:
                reader.offer(Event(number, kind, 0.0, message), before[0])

    # ---- streams

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> LocalStream | None:
        """Take over a stream of the session, wherever it is held."""
        return await self._local_streams.attach(session, stream, after)

    def close_stream(self, session: str, stream: str) -> None:
        """End whoever reads a stream."""
        reader = self._instance.stream(session, stream)
        if reader is not None:
            reader.end()

    # ---- word from and to other instances

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Pass word on; to one instance as soon as it listens, unless it died."""
        text = codec.encode_message(message, self.instance)
        deadline = asyncio.get_running_loop().time() + PUBLISH_S
        while not await self._instance.call(scripts.PUBLISH, instance or "", text):
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerUnavailableError
            await anyio.sleep(PUBLISH_S / 40)

    def _heard(self, message: bytes) -> None:
        head, _, body = message.partition(b"\n")
        kind, _, rest = head.partition(b" ")
        match kind:
            case b"event":
                session, name, *about = rest.split(b" ", 6)
                reader = self._instance.stream(session.decode(), name.decode())
                if reader is not None:
                    reader.offer(*codec.decode_published(about, body))
            case b"replaced":
                session_id, stream, token = rest.decode().split(" ")
                reader = self._instance.stream(session_id, stream)
                if reader is not None and reader.token == token:
                    reader.end()
            case b"ended":
                self._ended(rest.decode())
            case b"stale":
                self._tasks.start_soon(self._refresh, rest.decode())
            case b"note":
                word, sender = codec.decode_message(rest)
                if sender != self.instance and self._listener is not None:  # what is for all comes back as well
                    self._tasks.start_soon(self._hand_on, self._listener, word)

    async def _hand_on(self, listener: Listener, message: InstanceMessage) -> None:
        try:
            await listener.on_message(message)
        except Exception:  # one bad note must not cost all sessions
            log.exception("note_failed", note=message.kind)

    async def _refresh(self, session: str) -> None:
        with suppress(BrokerUnavailableError):
            await self.find(session)

    def wake_streams(self) -> None:
        """Make every stream look around."""
        for local in self._instance.all_streams():
            local.wake()

    def stats(self) -> Mapping[str, int]:
        """Return how many sessions have a stream here, and how many bytes wait to be written."""
        readers = self._instance.all_streams()
        sessions = len({local.session for local in readers})
        return {
            "sessions": sessions,
            "streams": len(readers),
            "log_bytes": sum(local.queued_bytes for local in readers),
        }

    # ---- upkeep

    async def _keep_saving(self) -> None:
        """Keep how far streams were written and how many there are, and what could not be recorded in time."""
        while True:
            await anyio.sleep(min(SAVE_EVERY_S, self._limits.idle_s / 8))
            if not self.is_up:
                continue
            await self._local_streams.save_all()
            await self.streams.publish_all()
            with suppress(BrokerUnavailableError):
                await self._calls.record_again()
                await self._instance.outbox.flush()

    async def _came_up(self) -> None:
        """Bring everything up to date: what was published meanwhile was missed."""
        is_return = self._instance.lease.store is not None
        log.info("broker_connected", instance=self.instance)  # by this name others say that it died
        must_restore = await self._instance.lease.came_up()
        await self._local_streams.bring_back(must_restore=must_restore)
        self._instance.lease.restored()
        await self._calls.record_again()
        await self._instance.outbox.flush()
        if is_return:
            self._settled_at = asyncio.get_running_loop().time() + SETTLE_S

    async def _take_over_dead(self, instance: str) -> None:
        await self._calls.take_over_dead(instance)
