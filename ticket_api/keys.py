"""API keys: how they look, and which tenant one stands for. Only digests are kept, in the database and in memory.

A key has 256 random bits, so a plain SHA-256 of it can neither be searched for nor guessed, and comparing digests
tells nothing about the key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final

from shared.lru import LRUCache
from shared.storage.transactions import Transactions
from ticket_api.store import tenants
from ticket_api.tenancy import DEFAULT

CACHED_S: Final = 30.0
"""How long a revoked key may go on at most."""
MOST_CACHED: Final = 1000
_FORM: Final = re.compile(r"tapi_[A-Za-z0-9_-]{43}")

TenantOf = Callable[[str], Awaitable[str | None]]
"""Says which tenant a key stands for, and None for no key of ours. May raise DatabaseBusyError."""


def new_key() -> str:
    """Return a new key of a tenant."""
    return f"tapi_{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> str:
    """Return what is kept of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """Knows the service's own key, which stands for the tenant `default`, and looks the others up.

    Args:
        own: the service's own key.
        transactions: gives those of the database that the lifespan has opened.
    """

    def __init__(self, own: str, transactions: Callable[[], Transactions]) -> None:
        self._own = digest_of(own)
        self._transactions = transactions
        self._cached: LRUCache[str, tuple[str, float]] = LRUCache(MOST_CACHED)

    async def tenant_of(self, key: str) -> str | None:
        """Return the tenant that `key` stands for, as it was within the last `CACHED_S`.

        Raises:
            DatabaseBusyError: it cannot be looked up now.
        """
        digest = digest_of(key)
        if hmac.compare_digest(digest, self._own):
            return DEFAULT
        if not _FORM.fullmatch(key):  # no guess of another form costs a look into the database
            return None
        now = monotonic()
        tenant, until = self._cached.get(digest) or (None, now)
        if now < until:
            return tenant
        tenant = await self._transactions().read(lambda connection: tenants.of_digest(connection, digest))
        if tenant is None:
            self._cached.discard(digest)
        else:  # unknown keys are not cached: anyone can send any number of them
            self._cached.put(digest, (tenant, now + CACHED_S))
        return tenant
