"""The recent writes of many instances: in Valkey, by its clock. What each instance did itself it also knows alone.

While Valkey is away writes go on, known to their own instance; a claim that could not be settled there is a doubt once
its lease is over, and is looked at first. Digests and ids only.
"""

from contextlib import suppress
from typing import Any, Final

from shared.identity import PrincipalKey
from shared.telemetry import get_logger
from shared.writes.recent_writes import LEASE_S, MAX_WRITES, Earlier, MemoryRecentWrites, State, Write
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.client import Script
from transport.sessions.valkey.instance import ValkeyInstance

log = get_logger(__name__)

ASK_S: Final = 1.0
"""How long a write may wait for Valkey, to be claimed and to be settled; then this instance alone knows it."""


class SharedRecentWrites:
    """Recognises writes of all instances; while Valkey is away, those of this one."""

    def __init__(self, instance: ValkeyInstance) -> None:
        self._instance = instance
        self._here = MemoryRecentWrites()
        self._is_alone = False

    async def claim(self, write: Write, token: str) -> Earlier | None:
        """See `RecentWrites`."""
        here = await self._here.claim(write, token)
        if here is not None and not here.is_doubt:
            return here
        fields = (write.words, write.key or "-", _ms(write.window_s), _ms(write.life_s), write.upstream, write.seen)
        try:
            reply = await self._ask(scripts.CLAIM_WRITE, write.owner, token, *fields, int(write.allows_duplicate))
        except BrokerUnavailableError:
            return here
        if not reply:
            return here
        there = _earlier(reply)
        if not there.is_doubt:
            await self._here.settle(write, token, None)
        return there

    async def settle(
        self, write: Write, token: str, state: State | None, *, subject: str = "", age_s: float = 0
    ) -> None:
        """See `RecentWrites`."""
        await self._here.settle(write, token, state, subject=subject, age_s=age_s)
        fields = (write.words, write.key or "-", _ms(write.life_s), write.upstream, write.seen)
        with suppress(BrokerUnavailableError):  # then the claim there becomes a doubt with its lease
            await self._ask(scripts.SETTLE_WRITE, write.owner, token, state or "", _ms(age_s), subject, *fields)

    async def _ask(self, script: Script, owner: PrincipalKey, *args: str | int) -> Any:
        """Run a script about the writes of `owner`. Raises: BrokerUnavailableError."""
        try:
            if not self._instance.client.is_up:
                raise BrokerUnavailableError
            common = (codec.encode_owner(owner), MAX_WRITES, _ms(LEASE_S))
            reply = await self._instance.call(script, *common, *args, wait_s=ASK_S)
        except BrokerUnavailableError:
            if not self._is_alone:
                self._is_alone = True
                log.warning("recent_writes_alone", hint="a write repeated on another instance is not recognised")
            raise
        self._is_alone = False
        return reply


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _earlier(reply: list[bytes]) -> Earlier:
    state, age_ms, subject, upstream, seen, by_key = reply
    return Earlier(
        State(state.decode()), int(age_ms) / 1000, subject.decode(), upstream.decode(), int(seen), by_key=bool(by_key)
    )
