"""A bounded cache by secrets that keeps none of them: each is known by a digest that no client can compute."""

import secrets
from hashlib import blake2b
from typing import Final, Generic, TypeVar

from shared.lru import LRUCache

V = TypeVar("V")
_DIGEST_BYTES: Final = 32


class BlindCache(Generic[V]):
    """Keeps the values of the `max_entries` secrets that were stored or read last. No value may be None.

    A secret is looked up by its digest under a random key of this cache (keyed BLAKE2, RFC 7693), so the time of a
    lookup reveals nothing about any secret, and neither does a copy of the memory without that key.
    """

    def __init__(self, max_entries: int) -> None:
        self._keyed = blake2b(key=secrets.token_bytes(_DIGEST_BYTES), digest_size=_DIGEST_BYTES)
        self._values: LRUCache[bytes, V] = LRUCache(max_entries)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, secret: str) -> V | None:
        """Return the value of `secret`, or None."""
        return self._values.get(self._digest(secret))

    def put(self, secret: str, value: V) -> None:
        """Store `value`; evict the secret that was not used for the longest time if there are too many."""
        self._values.put(self._digest(secret), value)

    def discard(self, secret: str) -> None:
        """Remove the value of `secret`, if there is one."""
        self._values.discard(self._digest(secret))

    def _digest(self, secret: str) -> bytes:
        digest = self._keyed.copy()
        digest.update(secret.encode())
        return digest.digest()
