"""Which instances are alive, and which store they share.

An instance holds a lease of 5 s that it renews every second. Calls of one whose lease is over are answered by whoever
notices first. After a loss of the connection nobody is judged for one full lease: they may all have been cut off.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio

from shared.telemetry import get_logger
from transport.sessions.broker import BrokerUnavailableError
from transport.sessions.valkey import scripts

log = get_logger(__name__)

LEASE_S: Final = 5.0
RENEW_S: Final = 1.0
STANDSTILL_S: Final = LEASE_S / 2
"""A renewal that took so long found a server that stood still: others could not renew their leases either."""
RECOVERY_S: Final = 3.0
"""After the loss of all data: how long sessions may take to be brought back by whoever holds their streams."""


class Lease:
    """The lease of this instance.

    Args:
        call: runs a script.
        take_over_dead: answers the calls of an instance that died.
        emptied: is called when all data was lost though the connection was not.
    """

    def __init__(
        self,
        call: Callable[..., Awaitable[Any]],
        *,
        take_over_dead: Callable[[str], Awaitable[None]],
        emptied: Callable[[], None],
    ) -> None:
        self.store: str | None = None
        """Name of the store; another one after all its data was lost. None before the first contact. Only `came_up`
        changes it, so that no loss is overlooked."""
        self._call = call
        self._take_over_dead = take_over_dead
        self._emptied = emptied
        self._is_restored = True
        self._judge_from = 0.0
        self._recovered_at = 0.0
        self._dead: list[str] = []

    @property
    def is_recovering(self) -> bool:
        """Whether the store lost its data so lately that sessions may still be brought back."""
        return asyncio.get_running_loop().time() < self._recovered_at

    async def came_up(self) -> bool:
        """Renew after a loss of the connection; return whether sessions have to be restored: then call `restored`.

        Raises:
            BrokerUnavailableError: it is away again.
        """
        self._judge_later()
        store = await self.renew()
        if self.store not in {None, store}:
            self._is_restored = False
            log.error("broker_came_back_empty")
        self.store = store
        return not self._is_restored

    def restored(self) -> None:
        """Note that everything which this instance holds is recorded again."""
        self._is_restored = True

    async def renew(self) -> str:
        """Renew; return the name of the store. Raises: BrokerUnavailableError."""
        clock = asyncio.get_running_loop().time
        started = clock()
        name, dead = await self._call(scripts.LEASE, secrets.token_hex(8))
        store: str = name.decode()
        if clock() - started > STANDSTILL_S:
            self._judge_later()
        if self.store not in {None, store}:
            self._recovered_at = clock() + RECOVERY_S
            self._emptied()
        self._dead = [instance.decode() for instance in dead]
        return store

    def _judge_later(self) -> None:
        self._judge_from = asyncio.get_running_loop().time() + LEASE_S

    async def keep(self) -> None:
        """Renew, and bury the dead, until cancelled."""
        while True:
            await anyio.sleep(RENEW_S)
            try:
                await self.renew()
                if asyncio.get_running_loop().time() >= self._judge_from:
                    for instance in self._dead:
                        await self._take_over_dead(instance)
            except BrokerUnavailableError:
                self._judge_later()
