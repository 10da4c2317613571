"""What the parts of the Valkey broker share on one instance: its way to the server, its streams, its records."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio
from redis.exceptions import ResponseError

from shared.lru import LRUCache
from transport.rate_limit import MemoryBuckets
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.session import Limits, SessionRecord
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.client import Script, ValkeyClient
from transport.sessions.valkey.lease import LEASE_S, RECOVERY_S, Lease
from transport.sessions.valkey.outbox import Outbox
from transport.sessions.valkey.scripts import ScriptFailedError

if TYPE_CHECKING:
    from transport.sessions.valkey.local_stream import LocalStream

KEPT_RECORDS: Final = 2048


class ValkeyInstance:
    """One instance on one server.

    Args:
        url: of the server.
        limits: bounds of this instance.
        prefix: in front of every key and channel, before the number of the layout.
        on_published: receives what other instances publish.
        came_up: brings everything up to date after each subscription.
        take_over_dead: answers the calls of an instance that died.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits,
        prefix: str,
        on_published: Callable[[bytes], None],
        came_up: Callable[[], Awaitable[None]],
        take_over_dead: Callable[[str], Awaitable[None]],
    ) -> None:
        self.instance = secrets.token_hex(4)
        self.limits = limits
        channels = [f"{scripts.of_layout(prefix)}n:{name}" for name in (self.instance, "")]
        self.client = ValkeyClient(url, channels=channels, heard=on_published, came_up=came_up)
        self.lease = Lease(self.call, take_over_dead=take_over_dead, emptied=self.client.subscribe_again)
        self.outbox = Outbox(limits.max_total_log_bytes)
        self.buckets = MemoryBuckets()
        """Count while the server is away."""
        self.streams: dict[str, LocalStream] = {}
        """The standalone streams that are read here, by session."""
        self._posts: dict[str, dict[str, LocalStream]] = {}
        self._common = scripts.common_arguments(prefix, self.instance, limits, LEASE_S)
        self._records: LRUCache[str, SessionRecord] = LRUCache(KEPT_RECORDS)

    async def call(self, script: Script, *args: str | bytes | float, wait_s: float | None = None) -> Any:
        """Run a script. Raises: BrokerUnavailableError."""
        try:
            return await self.client.call(script, *self._common, *args, wait_s=wait_s)
        except ResponseError:
            raise ScriptFailedError from None

    async def ask(self, script: Script, *args: str | bytes | float, wait_s: float | None = None) -> Any:
        """Run a script that returns nothing when there is no such session.

        After a loss of all data it is run again, as long as the session may still be restored.

        Raises:
            BrokerUnavailableError.
        """
        give_up_at = asyncio.get_running_loop().time() + RECOVERY_S
        while True:
            reply = await self.call(script, *args, wait_s=wait_s)
            if reply or await self.is_final():
                return reply
            if asyncio.get_running_loop().time() > give_up_at:
                raise BrokerUnavailableError
            await anyio.sleep(RECOVERY_S / 20)

    async def is_final(self) -> bool:
        """Whether a session that was not found is gone for good; else it may still be restored.

        Raises:
            BrokerUnavailableError.
        """
        if not self.lease.is_recovering:
            await self.lease.renew()  # finds out whether this is still the same store
        return not self.lease.is_recovering

    # ---- streams that are read here

    def stream(self, session: str, stream: str) -> "LocalStream | None":
        """Return the reader of a stream here."""
        return self._posts.get(session, {}).get(stream) if stream else self.streams.get(session)

    def all_streams(self) -> "list[LocalStream]":
        """Return the readers of all streams here."""
        return [
            *self.streams.values(),
            *(stream for posts in list(self._posts.values()) for stream in list(posts.values())),
        ]

    def add_stream(self, stream: "LocalStream") -> "LocalStream | None":
        """Give published events to `stream`; return the reader that had them before."""
        of_session = self._posts.setdefault(stream.session, {}) if stream.name else self.streams
        key = stream.name or stream.session
        earlier, of_session[key] = of_session.get(key), stream
        if earlier is not None and earlier.record is not None:
            self._records.put(earlier.record.id, earlier.record)
        return earlier

    def remove_stream(self, stream: "LocalStream") -> None:
        """Give nothing to `stream` any more, unless another one took its place already."""
        if self.stream(stream.session, stream.name) is not stream:
            return
        if not stream.name:
            del self.streams[stream.session]
            return
        del self._posts[stream.session][stream.name]
        if not self._posts[stream.session]:
            del self._posts[stream.session]

    # ---- records

    def find_record(self, session: str) -> SessionRecord | None:
        """Return what is known here of a session; it may have changed elsewhere."""
        local = self.streams.get(session)
        return local.record if local is not None and local.record is not None else self._records.get(session)

    def learn(self, session: str, fields: Sequence[bytes]) -> SessionRecord:
        """Return the one object that stands for the session here, brought up to date."""
        record = self.find_record(session)
        if record is None:
            record = codec.decode_record(session, fields)
        else:
            codec.update_record(record, fields)
        self._records.put(session, record)
        return record

    def forget(self, session: str) -> None:
        """Let go of a session that ended; its streams here end."""
        self._records.discard(session)
        ended = [*self._posts.pop(session, {}).values()]
        if session in self.streams:
            ended.append(self.streams.pop(session))
        for stream in ended:
            stream.end()
