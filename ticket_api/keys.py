"""API keys: their format, the tenant each belongs to, and what it may do.

Only digests are stored, in the database and in memory.
A key has 256 random bits, so its plain SHA-256 can neither be reversed nor guessed, and comparing digests reveals
nothing about the key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final

from shared.lru import LRUCache
from shared.storage.transactions import Transactions
from ticket_api.store import tenants
from ticket_api.tenancy import DEFAULT

CACHED_S: Final = 30.0
"""How long a revoked key may still be accepted, in seconds."""
MOST_CACHED: Final = 1000
_FORM: Final = re.compile(r"tapi_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Caller:
    """The tenant of a request, and what its key may do there."""

    tenant: str
    credential: str = ""
    """Public id of the key, or `own` for the service's own key; empty where no key is required."""
    may_administer: bool = False
    """Whether it may change master data and import tickets."""


CallerOf = Callable[[str], Awaitable[Caller | None]]
"""Returns the caller that a key stands for, or None for an unknown key. May raise DatabaseBusyError."""
OWN: Final = Caller(DEFAULT, "own")
"""The caller with the service's own key: that of a program, such as an MCP server, which need not administer."""


def new_key() -> str:
    """Return a new random key for a tenant."""
    return f"tapi_{secrets.token_urlsafe(32)}"


def digest_of(key: str) -> str:
    """Return the digest to store for a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class KeyRing:
    """Knows the service's own key, which belongs to the tenant `default`, and looks up the others.

    Args:
        own: the service's own key; while it is rotated the new one and the old one.
        transactions: returns the transactions of the database opened by the lifespan.
    """

    def __init__(self, own: Sequence[str], transactions: Callable[[], Transactions]) -> None:
        self._own = [digest_of(key) for key in own]
        self._transactions = transactions
        self._cached: LRUCache[str, tuple[Caller, float]] = LRUCache(MOST_CACHED)

    async def caller_of(self, key: str) -> Caller | None:
        """Return the caller that `key` stands for, or None; a result is cached for up to `CACHED_S` seconds.

        Raises:
            DatabaseBusyError: the key cannot be looked up now.
        """
        digest = digest_of(key)
        if any(hmac.compare_digest(digest, own) for own in self._own):
            return OWN
        if not _FORM.fullmatch(key):  # a guess of another format costs no database lookup
            return None
        now = monotonic()
        caller, until = self._cached.get(digest) or (None, now)
        if now < until:
            return caller
        row = await self._transactions().read(lambda connection: tenants.of_digest(connection, digest))
        if row is None:
            self._cached.discard(digest)
            return None
        caller = Caller(row["tenant_id"], row["id"], row["may_administer"])
        self._cached.put(digest, (caller, now + CACHED_S))  # not unknown ones: a client can send any number of them
        return caller
