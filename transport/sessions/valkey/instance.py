"""What the parts of the Valkey broker of one instance share: its way to the server, its streams, its records."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import anyio
from redis.exceptions import ResponseError

from shared.lru import LRUCache
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.memory_rate_limit import MemoryBuckets
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
        prefix: in front of every key and channel.
        heard: is handed what other instances publish.
        came_up: brings everything up to date after each subscription.
        take_over_dead: answers the calls of an instance that died.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits,
        prefix: str,
        heard: Callable[[bytes], None],
        came_up: Callable[[], Awaitable[None]],
        take_over_dead: Callable[[str], Awaitable[None]],
    ) -> None:
        self.instance = secrets.token_hex(4)
        self.limits = limits
        self.client = ValkeyClient(
            url, channels=[f"{prefix}n:{self.instance}", f"{prefix}n:"], heard=heard, came_up=came_up
        )
        self.lease = Lease(self.call, take_over_dead=take_over_dead, emptied=self.client.subscribe_again)
        self.outbox = Outbox(limits.max_total_log_bytes)
        self.buckets = MemoryBuckets()
        """What counts while the server is away."""
        self.streams: dict[str, LocalStream] = {}
        """Sessions whose standalone stream is held here."""
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
        """Run a script that answers nothing when there is no such session.

        After a loss of all data it is asked again, as long as the session may be on its way back.

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
        """Whether a session that was not found is gone for good; else it may be on its way back.

        Raises:
            BrokerUnavailableError.
        """
        if not self.lease.is_recovering:
            await self.lease.renew()  # tells whether this is still the same store
        return not self.lease.is_recovering

    # ---- streams that are held here

    def stream(self, session: str, stream: str) -> "LocalStream | None":
        """Return whoever reads a stream here."""
        return self._posts.get(session, {}).get(stream) if stream else self.streams.get(session)

    def all_streams(self) -> "list[LocalStream]":
        """Return whoever reads any stream here."""
        return [*self.streams.values(), *(local for posts in self._posts.values() for local in posts.values())]

    def add_stream(self, local: "LocalStream") -> "LocalStream | None":
        """Have published events go to `local`; return who had them before."""
        of_session = self._posts.setdefault(local.session, {}) if local.name else self.streams
        key = local.name or local.session
        earlier, of_session[key] = of_session.get(key), local
        return earlier

    def remove_stream(self, local: "LocalStream") -> None:
        """Have nothing go to `local` any more, unless another one took its place already."""
        if self.stream(local.session, local.name) is not local:
            return
        if not local.name:
            del self.streams[local.session]
            return
        del self._posts[local.session][local.name]
        if not self._posts[local.session]:
            del self._posts[local.session]

    # ---- records

    def find_record(self, session: str) -> SessionRecord | None:
        """Return what is known here of a session; it may have changed elsewhere."""
        local = self.streams.get(session)
        return local.record if local is not None else self._records.get(session)

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
        """Let go of a session that ended; its streams, as far as they are here, end."""
        self._records.discard(session)
        ended = [*self._posts.pop(session, {}).values()]
        if session in self.streams:
            ended.append(self.streams.pop(session))
        for local in ended:
            local.end()
