"""Finds the ticket API of each tenant in the identity store; lookups are cached for `cache_s` seconds."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from auth.cache import CACHE_S, SingleFlightCache
from auth.store import IdentityStore
from auth.store.credentials import StoredUpstream
from auth.store.errors import NotUsableError, UnknownTenantError, UpstreamKeyError
from auth.store.peppers import Secrets
from shared.errors import TicketServerError
from shared.identity import Tenant, Upstream
from shared.telemetry import get_logger

log = get_logger(__name__)


class StoredTenantDirectory:
    """A `shared.identity.TenantDirectory` backed by the identity store. Use inside `run()`.

    Args:
        store: an open store; its owner closes it after this directory has stopped.
        secrets: the same as those of the store.
        cache_s: how long a tenant lookup is cached, in seconds.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        store: IdentityStore,
        secrets: Secrets,
        *,
        cache_s: float = CACHE_S,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._secrets = secrets
        self._upstreams = SingleFlightCache(self._ask, life_s=cache_s, seconds=seconds)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let lookups in flight finish before the store is closed."""
        try:
            yield
        finally:
            await self._upstreams.join()

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        """Return the ticket API of `tenant`: the deployment's if it has no address of its own.

        Raises:
            UnknownTenantError: there is no such tenant.
            NotUsableError: the tenant is disabled.
            UpstreamKeyError: the key of its ticket API cannot be decrypted or read.
            StoreUnavailableError: the identity store did not respond, and no cached result is recent enough.
        """
        answer = await self._upstreams.get(tenant.id)
        if isinstance(answer, TicketServerError):
            raise answer.with_traceback(None)
        return answer

    async def _ask(self, tenant: str) -> Upstream | TicketServerError:
        stored = await self._store.credentials.upstream(tenant)
        if stored is None:
            return UnknownTenantError(tenant)
        if not stored.is_on:
            return NotUsableError("This organisation is disabled. Ask its administrator for the reason.")
        try:
            return Upstream(address=stored.address, api_key=await self._key(stored, tenant))
        except UpstreamKeyError as error:
            return error

    async def _key(self, stored: StoredUpstream, tenant: str) -> str | None:
        if stored.sealed is not None:
            return self._secrets.open(stored.sealed, tenant)
        if stored.reference is None:
            return None
        key = await asyncio.to_thread(_read, stored.reference)
        if not key:
            log.error("upstream_key_missing", tenant=tenant, reference=stored.reference)
            raise UpstreamKeyError(
                f"The upstream key of tenant {tenant!r} is not where its reference points. An operator must set that "
                "environment variable or file for the server, or set the upstream again."
            )
        return key


def _read(reference: str) -> str | None:
    """Return the value of `env:NAME` or the content of `file:/path` on this server, or None."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        return os.environ.get(place, "").strip()
    try:
        return Path(place).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
