"""Keys that give the tenant of a request to the embedded ticket API.

That API derives the tenant from the key alone. Only this process can create these keys, and they end with it.
"""

import hmac
import secrets


class TenantKeys:
    """Creates a key for any tenant, and verifies its own keys."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def key_of(self, tenant: str) -> str:
        """Return the key of `tenant`, which must be valid in a header."""
        return f"{tenant}.{self._seal(tenant)}"

    def tenant_of(self, key: str) -> str | None:
        """Return the tenant of `key`, or None if it was not created here."""
        tenant, _, seal = key.rpartition(".")
        return tenant if hmac.compare_digest(seal.encode(), self._seal(tenant).encode()) else None

    def _seal(self, tenant: str) -> str:
        return hmac.digest(self._secret, tenant.encode(), "sha256").hex()
