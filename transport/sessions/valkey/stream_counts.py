"""How many streams each principal reads on all instances together.

An instance tells how many it has, as a whole number and not as a change: what is lost or done twice does no harm, and
what an instance told is forgotten with its lease. A stream that has to fit is told before it opens; one that is counted
in any case, or has ended, within a second, so that calls cost nothing here.
"""

import asyncio
import itertools
from contextlib import suppress
from typing import Final

import anyio

from shared.identity import PrincipalKey
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.stream_counts import LocalStreamCounts
from transport.sessions.valkey import codec, scripts
from transport.sessions.valkey.instance import ValkeyInstance

ADD_S: Final = 1.0
"""How long a stream may wait to be told; then only those of this instance count."""
PUBLISH_AGAIN_S: Final = 10.0
"""How often it is told again what did not change. Valkey forgets after 60 s, or when it loses its data."""


class SharedStreamCounts(LocalStreamCounts):
    """Counts those of all instances; while Valkey is away, those of this one."""

    def __init__(self, instance: ValkeyInstance) -> None:
        super().__init__()
        self._instance = instance
        self._notes = itertools.count(1)
        self._told: dict[PrincipalKey, tuple[int, float]] = {}
        """How many there were when it was told last, and when that was."""

    async def try_add(self, owner: PrincipalKey, most: int) -> bool:
        """Count one more stream of `owner`, unless they would be too many."""
        if not await super().try_add(owner, most):
            return False
        fits = False
        try:
            fits = not self._instance.client.is_up or await self._publish(owner, most)
        except BrokerUnavailableError:
            fits = True
        finally:
            if not fits:
                self.drop(owner)
        return fits

    async def _publish(self, owner: PrincipalKey, most: int | None) -> bool:
        """Tell how many there are. Raises: BrokerUnavailableError."""
        count, now = self.of.get(owner, 0), asyncio.get_running_loop().time()
        args = (codec.encode_owner(owner), next(self._notes), count, "" if most is None else most)
        if not await self._instance.call(scripts.COUNT, *args, wait_s=ADD_S):
            return False
        self._told[owner] = (count, now)
        return True

    async def publish_all(self) -> None:
        """Tell what changed, and now and then what did not."""
        long_ago = asyncio.get_running_loop().time() - PUBLISH_AGAIN_S
        async with anyio.create_task_group() as tasks:
            for owner in self.of.keys() | self._told.keys():
                count = self.of.get(owner, 0)
                told, at = self._told.get(owner, (0, 0.0))
                if not count and not told:
                    self._told.pop(owner, None)
                elif count != told or at < long_ago:
                    tasks.start_soon(self._publish_quietly, owner)

    async def _publish_quietly(self, owner: PrincipalKey) -> None:
        with suppress(BrokerUnavailableError):
            await self._publish(owner, None)
