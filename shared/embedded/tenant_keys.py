"""Keys by which this process tells the ticket API inside itself whose tickets a request is about.

That API takes the tenant from the key alone. Nobody else can make such a key, and none outlives the process.
"""

import hmac
import secrets


class TenantKeys:
    """Makes the key of any tenant, and knows its own keys again."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def key_of(self, tenant: str) -> str:
        """Return the key of `tenant`, an id that may travel in a header."""
        return f"{tenant}.{self._seal(tenant)}"

    def tenant_of(self, key: str) -> str | None:
        """Return whose key this is, or None when it was not made here."""
        tenant, _, seal = key.rpartition(".")
        return tenant if hmac.compare_digest(seal.encode(), self._seal(tenant).encode()) else None

    def _seal(self, tenant: str) -> str:
        return hmac.digest(self._secret, tenant.encode(), "sha256").hex()
