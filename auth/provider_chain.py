"""Keys of the identity store beside one shared key; the form of a key decides which of the two applies."""

from auth.providers import SHARED, APIKeyAuthProvider, KeyAuthProvider
from auth.store.key_format import PREFIX
from auth.stored_keys import StoredKeyAuthProvider
from shared.client_habits import ClientHabits
from shared.identity import Principal
from shared.telemetry import get_logger

log = get_logger(__name__)


class ChainedAuthProvider(KeyAuthProvider):
    """Looks up keys that begin with `tkt_` in the identity store and compares all others with the shared key.

    Exactly one of the two checks a key, so there is a single comparison here too, and the same refusal.
    """

    def __init__(
        self, stored: StoredKeyAuthProvider, shared: APIKeyAuthProvider, *, habits: ClientHabits | None = None
    ) -> None:
        super().__init__(habits)
        self._stored = stored
        self._shared = shared
        log.warning(
            "shared_key_in_use",
            hint="all holders of MCP_MCP_API_KEY are one principal; give users keys of their own, then unset it",
        )

    async def owner_of(self, key: str) -> Principal:
        """Return the principal the key belongs to. Raises: AuthenticationError, as the two providers do."""
        return await self._provider_of(key).owner_of(key)

    def recognised(self, key: str) -> Principal | None:
        """Ask the provider that checks such keys."""
        return self._provider_of(key).recognised(key)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the provider that authenticated `principal`."""
        provider = self._shared if principal.credential == SHARED else self._stored
        return await provider.is_still_valid(principal)

    def _provider_of(self, key: str) -> KeyAuthProvider:
        is_stored = key.startswith(PREFIX)
        return self._stored if is_stored else self._shared
