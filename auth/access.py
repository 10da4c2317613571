"""Everything of this package that a door needs, in the three ways in which a server may know who calls.

All three say who calls (`provider`), where what they do is recorded (`trail`) and where their tickets are
(`directory`); making one opens nothing, `run` does.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Protocol

from auth.provider_chain import ChainedAuthProvider
from auth.providers import AnonymousAuthProvider, APIKeyAuthProvider
from auth.store import IdentityStore
from auth.store.migrate import prepare
from auth.store.peppers import Secrets
from auth.stored_audit import StoredTrail
from auth.stored_keys import StoredKeyAuthProvider
from auth.tenant_directory import StoredTenantDirectory
from auth.throttle import GuardedAuthProvider
from shared.audit import AuditTrail, LoggedTrail
from shared.identity import AuthProvider, TenantDirectory
from shared.storage.database import make_engine, resolve_url


class Callers(Protocol):
    """Who may call."""

    @property
    def provider(self) -> AuthProvider:
        """Proves who is calling."""
        ...

    @property
    def trail(self) -> AuditTrail:
        """Records what is done and refused."""
        ...

    @property
    def directory(self) -> TenantDirectory | None:
        """Knows where tickets are; None where everybody is the default tenant."""
        ...

    def run(self) -> AbstractAsyncContextManager[None]:
        """Open what is needed, and close it. Raises: DatabaseNotReadyError; its text says what to do."""
        ...

    async def check(self) -> None:
        """See that what is needed answers. Raises: TicketServerError."""
        ...


class Anybody:
    """Whoever can reach the server, all of them one principal."""

    directory = None

    def __init__(self) -> None:
        self.provider = AnonymousAuthProvider()
        self.trail = LoggedTrail()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open nothing."""
        yield

    async def check(self) -> None:
        """Need nothing."""


class HoldersOfOneKey:
    """Whoever has the one shared key, all of them one service account of the default tenant."""

    directory = None

    def __init__(self, key: str, *, trusted_proxies: int = 0) -> None:
        self.trail = LoggedTrail()
        self.provider = GuardedAuthProvider(APIKeyAuthProvider(key), trail=self.trail, trusted_proxies=trusted_proxies)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Slow down who guesses."""
        async with self.provider.run():
            yield

    async def check(self) -> None:
        """Need nothing."""


class IdentityService:
    """People, programs and organisations, as the identity store has them.

    Args:
        database_url: of the store.
        secrets: hash keys and seal upstream keys; the first is used for what is new, all are tried.
        shared_key: one more key, which is a service account of the default tenant.
        trusted_proxies: how many proxies of our own stand in front.
        cache_s: how old may be what is known about a key or a tenant.

    Raises:
        ValueError: the URL is not one of SQLite or PostgreSQL, or a secret is too short.
    """

    def __init__(
        self,
        database_url: str,
        secrets: Sequence[str],
        *,
        shared_key: str | None = None,
        trusted_proxies: int = 0,
        cache_s: float,
    ) -> None:
        derived = Secrets(secrets)
        self._engine = make_engine(resolve_url(database_url))
        self._store = IdentityStore(self._engine, derived, actor="server")
        self._keys = StoredKeyAuthProvider(self._store, derived, cache_s=cache_s)
        self.trail = StoredTrail(self._store.audit)
        self.directory = StoredTenantDirectory(self._store, derived, cache_s=cache_s)
        self.provider = GuardedAuthProvider(
            self._keys if shared_key is None else ChainedAuthProvider(self._keys, APIKeyAuthProvider(shared_key)),
            trail=self.trail,
            trusted_proxies=trusted_proxies,
        )

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Open the store; close everything in reverse order, after what waits was written."""
        async with AsyncExitStack() as stack:  # one failing close does not skip the others
            stack.push_async_callback(self._engine.dispose)
            await prepare(self._engine)
            stack.push_async_callback(self._store.settle)
            for part in (self.trail, self.directory, self._keys, self.provider):
                await stack.enter_async_context(part.run())
            yield

    async def check(self) -> None:
        """See that the store answers."""
        await self._store.check()
