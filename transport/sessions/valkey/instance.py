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
from transport.sessions.valkey.client import Script, ValkeyLink
from transport.sessions.valkey.lease import LEASE_S, RECOVERY_S, Lease
from transport.sessions.valkey.outbox import Late
from transport.sessions.valkey.scripts import ScriptFailedError

if TYPE_CHECKING:
    from transport.sessions.valkey.local_stream import HeldStream

KEPT_RECORDS: Final = 2048


class Hub:
    """One instance on one server.

    Args:
        url: of the server.
        limits: bounds of this instance.
        prefix: in front of every key and channel.
        heard: is handed what other instances publish.
        came_up: brings everything up to date after each subscription.
        bury: answers the calls of an instance that died.
    """

    def __init__(
        self,
        url: str,
        *,
        limits: Limits,
        prefix: str,
        heard: Callable[[bytes], None],
        came_up: Callable[[], Awaitable[None]],
        bury: Callable[[str], Awaitable[None]],
    ) -> None:
        self.instance = secrets.token_hex(4)
        self.limits = limits
        self.link = ValkeyLink(
            url, channels=[f"{prefix}n:{self.instance}", f"{prefix}n:"], heard=heard, came_up=came_up
        )
        self.lease = Lease(self.call, bury=bury, emptied=self.link.subscribe_again)
        self.late = Late(limits.max_total_log_bytes)
        self.buckets = MemoryBuckets()
        """What counts while the server is away."""
        self.held: dict[str, HeldStream] = {}
        """Sessions whose standalone stream is held here."""
        self._posts: dict[str, dict[str, HeldStream]] = {}
        self._common = scripts.common_arguments(prefix, self.instance, limits, LEASE_S)
        self._records: LRUCache[str, SessionRecord] = LRUCache(KEPT_RECORDS)

    async def call(self, script: Script, *args: str | bytes | float, wait_s: float | None = None) -> Any:
        """Run a script. Raises: BrokerUnavailableError."""
        try:
            return await self.link.call(script, *self._common, *args, wait_s=wait_s)
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

    def reader(self, session: str, stream: str) -> "HeldStream | None":
        """Return whoever reads a stream here."""
        return self._posts.get(session, {}).get(stream) if stream else self.held.get(session)

    def readers(self) -> "list[HeldStream]":
        """Return whoever reads any stream here."""
        return [*self.held.values(), *(held for posts in self._posts.values() for held in posts.values())]

    def hold(self, held: "HeldStream") -> "HeldStream | None":
        """Have published events go to `held`; return who had them before."""
        of_session = self._posts.setdefault(held.session, {}) if held.name else self.held
        key = held.name or held.session
        earlier, of_session[key] = of_session.get(key), held
        return earlier

    def let_go(self, held: "HeldStream") -> None:
        """Have nothing go to `held` any more, unless another one took its place already."""
        if self.reader(held.session, held.name) is not held:
            return
        if not held.name:
            del self.held[held.session]
            return
        del self._posts[held.session][held.name]
        if not self._posts[held.session]:
            del self._posts[held.session]

    # ---- records

    def record(self, session: str) -> SessionRecord | None:
        """Return what is known here of a session; it may have changed elsewhere."""
        held = self.held.get(session)
        return held.record if held is not None else self._records.get(session)

    def learn(self, session: str, fields: Sequence[bytes]) -> SessionRecord:
        """Return the one object that stands for the session here, brought up to date."""
        record = self.record(session)
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
        if session in self.held:
            ended.append(self.held.pop(session))
        for held in ended:
            held.end()
