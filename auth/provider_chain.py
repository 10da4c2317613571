"""Keys of the identity store beside one shared key; the form of a key decides which of the two applies."""

from starlette.requests import HTTPConnection

from auth.providers import SHARED, APIKeyAuthProvider, presented_key
from auth.store.key_format import PREFIX
from auth.stored_keys import StoredKeyAuthProvider
from shared.identity import AuthProvider, Principal
from shared.telemetry import get_logger

log = get_logger(__name__)


class ChainedAuthProvider(AuthProvider):
    """Looks up keys that begin with `tkt_` in the identity store and compares all others with the shared key.

    Exactly one of the two checks a key, so there is a single comparison here too, and the same refusal.
    """

    def __init__(self, stored: StoredKeyAuthProvider, shared: APIKeyAuthProvider) -> None:
        self._stored = stored
        self._shared = shared
        log.warning(
            "shared_key_in_use",
            hint="all holders of MCP_MCP_API_KEY are one principal; give users keys of their own, then unset it",
        )

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal the key belongs to. Raises: AuthenticationError, as the two providers do."""
        key = presented_key(request)
        is_stored = key is not None and key.startswith(PREFIX)
        return await (self._stored if is_stored else self._shared).authenticate(request)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the provider that authenticated `principal`."""
        provider = self._shared if principal.credential == SHARED else self._stored
        return await provider.is_still_valid(principal)
