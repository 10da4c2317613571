"""The signing keys of this server as one instance knows them: from the identity store or from the settings."""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from joserfc.jwk import ECKey
from sqlalchemy.exc import SQLAlchemyError

from auth.cache import ASK_S
from auth.store import utc_now
from auth.store.authorization.signing_keys import SigningKey, named
from auth.store.errors import StoreUnavailableError
from shared.errors import TicketServerError
from shared.telemetry import get_logger

log = get_logger(__name__)

FRESH_S: Final = 60.0
"""How long keys are used before they are looked up again, in seconds."""
LOOKUP_S: Final = 1.0
"""Least time between two lookups, in seconds: a token can name any key."""


class KeyStore(Protocol):
    """Where signing keys are kept: `auth.store.authorization.signing_keys.SigningKeys`, or settings."""

    async def usable(self) -> Sequence[SigningKey]:
        """Return the keys that verify now, the one to sign with first. Raises: DatabaseBusyError."""
        ...


class ConfiguredKeys:
    """Signing keys from the settings: the first one is for new tokens, all verify.

    Args:
        pems: private keys on the curve P-256, each in PEM, at least one.
    """

    def __init__(self, pems: Sequence[str]) -> None:
        self._keys = [SigningKey(named(ECKey.import_key(pem))) for pem in pems]

    async def usable(self) -> Sequence[SigningKey]:
        """Return them."""
        return self._keys


class KeyRing:
    """The signing keys as this instance knows them: at most a minute old, looked up at once for a key not known yet.

    However many ask, there is at most one lookup a second; who asks for an unknown key waits for the next one. While
    the store does not respond, the keys that are known go on working, for as long as they sign or verify.

    Args:
        store: where the keys are kept.
        clock: the current time, timezone-aware.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        store: KeyStore,
        *,
        clock: Callable[[], datetime] = utc_now,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._seconds = seconds
        self._keys: Sequence[SigningKey] = ()
        self._known_at = -math.inf
        self._began_at = -math.inf
        self._coming: asyncio.Task[bool] | None = None
        """A lookup that has not begun."""
        self._under_way: asyncio.Task[bool] | None = None

    async def signing(self) -> ECKey:
        """Return the key to sign with. Raises: StoreUnavailableError."""
        await self._see_that_they_are_fresh()
        key = next((key.key for key in self._keys if key.signs(self._clock())), None)
        if key is None:
            raise StoreUnavailableError
        return key

    async def verifying(self) -> list[ECKey]:
        """Return the keys whose tokens are accepted. Raises: StoreUnavailableError."""
        await self._see_that_they_are_fresh()
        keys = self._verifying()
        if not keys:
            raise StoreUnavailableError
        return keys

    async def find(self, name: str) -> ECKey | None:
        """Return the key of that name whose tokens are accepted, or None. Raises: StoreUnavailableError."""
        await self._see_that_they_are_fresh()
        if (key := self._named(name)) is None:
            are_known = await self._wait_for(self._next_lookup())
            if (key := self._named(name)) is None and not are_known:
                raise StoreUnavailableError
        return key

    async def aclose(self) -> None:
        """Wait for a lookup that has begun, and end one that has not."""
        if self._coming is not None:
            self._coming.cancel()
        if self._under_way is not None:
            await self._wait_for(self._under_way)

    async def _see_that_they_are_fresh(self) -> None:
        if self._seconds() - self._known_at < FRESH_S:
            return
        running = self._under_way
        await self._wait_for(running if running is not None and not running.done() else self._next_lookup())

    async def _wait_for(self, lookup: asyncio.Task[bool]) -> bool:
        """Wait for a lookup; return whether it succeeded."""
        await asyncio.wait({lookup}, timeout=ASK_S)
        return lookup.done() and not lookup.cancelled() and lookup.result()

    def _next_lookup(self) -> asyncio.Task[bool]:
        if self._coming is None:
            self._coming = asyncio.create_task(self._look_up(self._under_way))
        return self._coming

    async def _look_up(self, before: asyncio.Task[bool] | None) -> bool:
        if before is not None:
            await asyncio.wait({before})
        await asyncio.sleep(max(0.0, self._began_at + LOOKUP_S - self._seconds()))
        self._began_at, self._under_way, self._coming = self._seconds(), self._coming, None
        try:
            self._keys = await self._store.usable()
        except (TicketServerError, SQLAlchemyError, OSError) as error:
            log.warning("signing_keys_unavailable", error=type(error).__name__)
            return False
        self._known_at = self._began_at  # lookups do not overlap
        return True

    def _verifying(self) -> list[ECKey]:
        now = self._clock()
        return [key.key for key in self._keys if key.verifies(now)]

    def _named(self, name: str) -> ECKey | None:
        return next((key for key in self._verifying() if key.kid == name), None)
