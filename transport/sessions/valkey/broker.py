"""The broker of many instances: sessions, claims and event logs live in Valkey or Redis.

Any instance may take a POST or a stream of any session. A call costs two round trips: `claim`, which records it, and
`finish`, which stores the response, frees the request id and publishes to the instance that reads the stream. How far
streams were written, and which were given up, is kept once a second for all of them together. What is kept, and every
step that two instances may race for, is in lua/; attempts are in `calls`, streams in `local_streams`, dead instances in
`lease`, and how everything travels in `client`.

While Valkey is away streams stay open, and requests wait for a short while and are then refused: nothing runs that
could not be recorded.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Self

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
    InstanceMessage,
    Listener,
)
from transport.sessions.claims import Attempt, RequestClaim, new_token
from transport.sessions.event_log import Event, Kind
from transport.sessions.session import Limits, SessionRecord, SessionView, has_room
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.calls import FINISH_S, Calls, Post
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.instance import ValkeyInstance
from transport.sessions.valkey.local_stream import LocalStream
from transport.sessions.valkey.local_streams import LocalStreams
from transport.sessions.valkey.rate_limit import SharedBuckets
from transport.sessions.valkey.recent_writes import SharedRecentWrites

log = get_logger(__name__)

PREFIX: Final = "{mcp}:"
"""In front of every key. The braces keep them together on one node of a cluster."""
SHARED_STREAM_S: Final = 10.0
"""How long a POST of HTTP+SSE may wait for Valkey: a refused one ends the Python client's session."""
OWN_STREAM_S: Final = 4.0
"""How long a POST of Streamable HTTP may wait."""
PUBLISH_S: Final = 4.0
SAVE_EVERY_S: Final = 1.0


class ValkeyBroker:
    """Shares sessions with all instances that use the same server and prefix.

    Args:
        url: see `from_url`.
        limits: bounds of this instance.
        prefix: in front of every key and channel, before the number of the layout.

    Raises:
        ValueError: `url` cannot be read.
    """

    is_shared = True
    layout = scripts.LAYOUT

    def __init__(self, url: str, *, limits: Limits | None = None, prefix: str = PREFIX) -> None:
        self._limits = limits if limits is not None else Limits()
        self._instance = ValkeyInstance(
            url,
            limits=self._limits,
            prefix=prefix,
            on_published=self._on_published,
            came_up=self._came_up,
            take_over_dead=self._take_over_dead,
        )
        self._calls = Calls(self._instance, dropped=self._dropped)
        self._streams = LocalStreams(self._instance, ended=self._ended)
        self.buckets = SharedBuckets(self._instance)
        self.recent_writes = SharedRecentWrites(self._instance)
        self._listener: Listener | None = None

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
        """Work inside this context; what could not be recorded by its end has one more second."""
        self._listener = listener
        async with self._instance.client.run():
            try:
                async with anyio.create_task_group() as self._tasks, self._streams.run():
                    self._tasks.start_soon(self._instance.lease.keep)
                    self._tasks.start_soon(self._keep_saving)
                    try:
                        yield
                    finally:
                        self._tasks.cancel_scope.cancel()
            finally:
                with last_words(FINISH_S), suppress(BrokerUnavailableError):
                    await self._streams.save_released()
                    await self._instance.outbox.flush()
                    await self._instance.call(scripts.LEAVE)

    # ---- sessions

    async def open(self, record: SessionRecord, *, reconnect: bool = False) -> None:
        """Begin a session. The instance's cap counts the streams it reads: the rest costs it nothing."""
        factor = 2 if reconnect else 1
        readers, most = self._instance.all_streams(), self._limits.max_sessions * factor
        mine = sum(one.record is not None and one.record.owner[0] == record.owner[0] for one in readers)
        if not has_room(mine, len(readers), most):
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
            self._instance.outbox.add(partial(self._later, scripts.SAVE, *what))
        else:
            record.stamp = stamp or record.stamp

    async def view(self, most: int) -> Sequence[SessionView]:
        """Return the living sessions of all instances."""
        found: dict[bytes, list[Sequence[Any]]] = {}  # the server may return an owner more than once
        cursor: str | bytes = "0"
        while cursor != b"0" and sum(map(len, found.values())) < most:
            cursor, rows = await self._instance.call(scripts.VIEW, cursor, most)
            found |= {owner: [*group] for owner, group in groupby(rows, key=itemgetter(0))}
        return [codec.decode_view(row) for group in found.values() for row in group][:most]

    async def _later(self, script: Script, *args: str | bytes | int) -> bool:
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

    # ---- claims

    async def claim(
        self, session: str, owner: PrincipalKey, wire: str, claims: Sequence[RequestClaim], *, own_stream: bool
    ) -> ClaimResult:
        """Record requests before they run."""
        wait_s = OWN_STREAM_S if own_stream else SHARED_STREAM_S
        if not claims or not own_stream:
            return await self._calls.claim(Post(session, owner, wire, claims), wait_s=wait_s)
        reader = self._streams.new(session, new_token())
        with self._streams.taking_over(reader):  # before anything can be published for it
            result = await self._calls.claim(Post(session, owner, wire, claims, reader), wait_s=wait_s)
            if result.reader is not None and result.stream != reader.name:
                self._streams.join(reader, result.stream)
        return result

    async def running(self, session: str, request: RequestId) -> Sequence[str]:
        """Return the tokens of the attempts that run with a request id, on whatever instance."""
        tokens = await self._instance.call(scripts.RUNNING, session, codec.encode_request(request))
        return [token.decode() for token in tokens]

    async def finish(self, attempt: Attempt, response: bytes | None) -> bool:
        """End an attempt."""
        return await self._calls.finish(attempt, response)

    # ---- streams

    async def append(self, session: str, kind: Kind, message: bytes, *, stream: str = "") -> None:
        """Send to the client. While Valkey is away requests wait for it, and notifications are dropped."""
        what = (session, int(kind), message, stream)
        try:
            if not self.is_up:
                raise BrokerUnavailableError
            number, *before = await self._instance.call(scripts.APPEND, *what, wait_s=FINISH_S)
        except BrokerUnavailableError:
            if kind is Kind.REQUEST and not self._instance.outbox.is_full(len(message)):
                self._instance.outbox.add(partial(self._later, scripts.APPEND, *what), len(message))
        else:
            reader = self._instance.stream(session, stream)
            if reader is not None and number > 0:
                reader.offer(Event(number, kind, 0.0, message), before[0])

    async def attach(self, session: str, *, stream: str = "", after: int | None = None) -> LocalStream | None:
        """Take over a stream of the session, wherever it is read."""
        return await self._streams.attach(session, stream, after)

    def close_stream(self, session: str, stream: str) -> None:
        """End the reader of a stream."""
        reader = self._instance.stream(session, stream)
        if reader is not None:
            reader.end()

    def wake_streams(self) -> None:
        """Make the `events` of every reader return."""
        for reader in self._instance.all_streams():
            reader.wake()

    # ---- messages from and to other instances

    async def publish(self, message: InstanceMessage, *, instance: str | None = None) -> None:
        """Send a message; to one instance as soon as it listens, unless it died."""
        text = codec.encode_message(message, self.instance)
        deadline = asyncio.get_running_loop().time() + PUBLISH_S
        while not await self._instance.call(scripts.PUBLISH, instance or "", text):
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerUnavailableError
            await anyio.sleep(PUBLISH_S / 40)

    def _on_published(self, message: bytes) -> None:
        head, _, body = message.partition(b"\n")
        kind, _, rest = head.partition(b" ")
        match kind:
            case b"event" | b"withdrawn" | b"replaced":
                self._streams.on_published(kind, rest, body)
            case b"ended":
                self._ended(rest.decode())
            case b"stale":
                self._tasks.start_soon(self._refresh, rest.decode())
            case b"message":
                self._tasks.start_soon(self._hand_on, *codec.decode_message(rest))

    async def _hand_on(self, message: InstanceMessage, sender: str) -> None:
        if sender == self.instance or self._listener is None:  # what is for all comes back as well
            return
        try:
            await self._listener.on_message(message)
        except Exception:  # one bad message must not cost all sessions
            log.exception("note_failed", note=message.kind)

    async def _refresh(self, session: str) -> None:
        with suppress(BrokerUnavailableError):
            await self.find(session)

    def stats(self) -> Mapping[str, int]:
        """Return how many sessions have a stream here, and how many bytes wait to be written."""
        readers = self._instance.all_streams()
        sessions = len({reader.session for reader in readers})
        return {
            "sessions": sessions,
            "streams": len(readers),
            "log_bytes": sum(reader.queued_bytes for reader in readers),
        }

    @property
    def calls(self) -> Mapping[str, int]:
        """How many calls of the server were `ok`, and how many `failed`."""
        return self._instance.client.calls

    # ---- upkeep

    async def _keep_saving(self) -> None:
        """Keep how far streams were written, and what could not be recorded in time."""
        while True:
            await anyio.sleep(min(SAVE_EVERY_S, self._limits.idle_s / 8))
            if not self.is_up:
                continue
            await self._streams.save_all()
            with suppress(BrokerUnavailableError):
                await self._calls.record_again()
                await self._instance.outbox.flush()

    async def _came_up(self) -> None:
        """Bring everything up to date: what was published meanwhile was missed."""
        log.info("broker_connected", instance=self.instance)  # by this name others report that it died
        must_restore = await self._instance.lease.came_up()
        await self._streams.bring_back(must_restore=must_restore)
        self._instance.lease.restored()
        await self._calls.record_again()
        await self._instance.outbox.flush()

    async def _take_over_dead(self, instance: str) -> None:
        await self._calls.take_over_dead(instance)
