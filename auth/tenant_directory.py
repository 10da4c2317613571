"""Where the tickets of each tenant are, as the identity store says; what it said may be `cache_s` old."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from auth.cache import CACHE_S, SharedAnswers
from auth.store import IdentityStore
from auth.store.credentials import StoredUpstream
from auth.store.errors import NotUsableError, UnknownTenantError, UpstreamKeyError
from auth.store.peppers import Secrets
from shared.errors import TicketServerError
from shared.identity import Tenant, Upstream
from shared.telemetry import get_logger

log = get_logger(__name__)


class StoredTenantDirectory:
    """A `shared.identity.TenantDirectory` over the identity store. Wants `run` around it.

    Args:
        store: an open store; whoever opened it closes it after this directory has ended.
        secrets: those that the store has.
        cache_s: how old may be what is known about a tenant.
        seconds: a clock that never goes back.
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
        self._upstreams = SharedAnswers(self._ask, life_s=cache_s, seconds=seconds)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Let questions to the store end before it is closed."""
        try:
            yield
        finally:
            await self._upstreams.settle()

    async def upstream_of(self, tenant: Tenant) -> Upstream:
        """Return the ticket API of `tenant`; without an address of its own it is the deployment's.

        Raises:
            UnknownTenantError: there is no such tenant.
            NotUsableError: it is disabled.
            UpstreamKeyError: the key of its ticket API cannot be opened or read.
            StoreUnavailableError: the identity store did not answer, and nothing young enough is known.
        """
        answer = await self._upstreams.get(tenant.id)
        if isinstance(answer, TicketServerError):
            raise answer.with_traceback(None)
        return answer

    async def _ask(self, tenant: str) -> Upstream | TicketServerError:
        stored = await self._store.presented.upstream(tenant)
        if stored is None:
            return UnknownTenantError(tenant)
        if not stored.is_on:
            return NotUsableError("This organisation is disabled. Its administrator can say why.")
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
                f"The upstream key of tenant {tenant!r} is not where its reference says. An operator has to set that "
                "variable or file for the server, or set the upstream again."
            )
        return key


def _read(reference: str) -> str | None:
    """Return what an `env:NAME` or `file:/path` of this server holds, or None."""
    kind, _, place = reference.partition(":")
    if kind == "env":
        return os.environ.get(place, "").strip()
    try:
        return Path(place).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return None
