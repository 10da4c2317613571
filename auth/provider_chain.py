"""Keys of the identity store beside the one shared key: what a key looks like says which of the two it is."""

from starlette.requests import HTTPConnection

from auth.providers import SHARED, APIKeyAuthProvider, presented_key
from auth.store.key_format import PREFIX
from auth.stored_keys import StoredKeyAuthProvider
from shared.identity import AuthProvider, Principal
from shared.telemetry import get_logger

log = get_logger(__name__)


class ChainedAuthProvider(AuthProvider):
    """Asks the identity store about what begins with `tkt_`, and compares everything else with the shared key.

    Each key is seen by one of the two only, so there is one comparison here as well, and the answers are the same.
    """

    def __init__(self, stored: StoredKeyAuthProvider, shared: APIKeyAuthProvider) -> None:
        self._stored = stored
        self._shared = shared
        log.warning(
            "shared_key_in_use",
            hint="all who hold MCP_MCP_API_KEY are one principal; give people keys of their own, then unset it",
        )

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return whoever the key belongs to. Raises: AuthenticationError, as the two providers do."""
        key = presented_key(request)
        is_stored = key is not None and key.startswith(PREFIX)
        return await (self._stored if is_stored else self._shared).authenticate(request)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the provider that `principal` was proved by."""
        provider = self._shared if principal.credential == SHARED else self._stored
        return await provider.is_still_valid(principal)
