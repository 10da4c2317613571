"""AuthProvider and its implementations: from the headers of one request to a Principal, or a refusal.

Every provider fails closed, compares secrets in constant time and never reveals the presented credential.
"""

import hmac
import math
import re
import time
from abc import abstractmethod
from collections.abc import Callable, Collection
from hashlib import sha256
from typing import Final

from starlette.requests import HTTPConnection

from auth.oauth.provider import OAuthProvider
from auth.presented import ContradictingCredentialsError, NoCredentialError, presented_key, presented_keys
from shared.client_habits import ClientHabits
from shared.identity import ANONYMOUS, AuthenticationError, AuthProvider, Principal

__all__ = (
    "APIKeyAuthProvider",
    "AnonymousAuthProvider",
    "AuthProvider",
    "AuthenticationError",
    "KeyAuthProvider",
    "OAuthProvider",
    "presented_key",
)

NO_KEY: Final = "Send the server's API key in the header x-api-key."
WRONG_KEY: Final = "This API key is not valid."
"""The one refusal of every invalid key, whatever the reason; a hint may follow on how it is written."""
_FORMS: Final = (
    (re.compile(r"(?i)bearer\b"), "Send the key alone, without the word Bearer."),
    (re.compile(r"(?i)(?:x-api-key|authorization)\s*[:=]"), "Send the key alone, without the name of a header."),
    (re.compile(r"([\"'`]).*\1$"), "Send the key without quotation marks."),
    (re.compile(r"\$\{|\$\(|\$\w|%\w+%$|<.*>$|\{\{"), "It looks like a placeholder for a key that was not filled in."),
)
"""How a value begins that was meant otherwise, and what is said then."""
FOREIGN_CREDENTIAL: Final = "foreign_credential"
"""The habit of clients behind a gateway that asks for a credential of its own."""
SHARED: Final = "shared"
"""`Principal.credential` of the shared key."""
SERVICE_ACCOUNT: Final = Principal(id="service-account", proof="api_key", credential=SHARED)
"""All holders of the shared key."""
RECOGNISED_S: Final = 60.0
"""How long the shared key is recognised after it was proved; the throttle remembers right keys for longer."""


def wrong_key(key: str) -> AuthenticationError:
    """Return the refusal of a key that is not valid; it depends on what was sent alone."""
    hint = next((f" {hint}" for form, hint in _FORMS if form.match(key)), "")
    return AuthenticationError(WRONG_KEY + hint)


class KeyAuthProvider(AuthProvider):
    """Authenticates by keys. Of two that came at once, one may be for a gateway in front of this server.

    Args:
        habits: what is served of clients that bend the protocol; by default all that is known.
    """

    def __init__(self, habits: ClientHabits | None = None) -> None:
        self._habits = habits or ClientHabits()

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the owner of the presented key; of two keys, of the one that is valid here.

        Raises:
            AuthenticationError: (401) no key or a wrong one; (400) contradicting credentials, for example two
                different keys that are both valid; (503) it cannot be checked at the moment.
        """
        keys = presented_keys(request)
        if not keys:
            raise NoCredentialError(NO_KEY)
        if len(keys) == 1:
            return await self.owner_of(keys[0])
        if not self._habits.serves(FOREIGN_CREDENTIAL):
            raise ContradictingCredentialsError
        principal = await self._owner_of_any(dict.fromkeys(keys))
        self._habits.admits(FOREIGN_CREDENTIAL)
        return principal

    async def _owner_of_any(self, keys: Collection[str]) -> Principal:
        """Return the owner of the one key that is valid. Each is checked, whatever the others are."""
        owners = list[Principal]()
        for key in keys:
            try:
                owners.append(await self.owner_of(key))
            except AuthenticationError as error:
                if error.status != 401:
                    raise
        if not owners:
            raise wrong_key(next(iter(keys)))
        if len(owners) > 1:
            raise ContradictingCredentialsError
        return owners[0]

    @abstractmethod
    async def owner_of(self, key: str) -> Principal:
        """Return the owner of `key`.

        Raises:
            AuthenticationError: (401) it is not valid; (503) it cannot be checked at the moment.
        """


class AnonymousAuthProvider(AuthProvider):
    """Accepts every request as one principal. For loopback, where the machine's own user is the only caller."""

    async def authenticate(self, request: HTTPConnection) -> Principal:  # noqa: ARG002 - nothing is checked
        """Return the one anonymous principal; a key that is sent anyway is ignored."""
        return ANONYMOUS


class APIKeyAuthProvider(KeyAuthProvider):
    """One shared key, sent as `x-api-key` or `Authorization: Bearer`; all its holders are one service account.

    The minimum length of the key is a rule of the settings, not of this class.

    Args:
        api_keys: the key; while it is rotated the new one and the old one, which stand for the same service account.
        habits: see `KeyAuthProvider`.
        seconds: a monotonic clock.

    Raises:
        ValueError: there is no key, or one is empty, which would accept an empty header.
    """

    def __init__(
        self, *api_keys: str, habits: ClientHabits | None = None, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(habits)
        if not api_keys or not all(key.strip() for key in api_keys):
            raise ValueError("an empty API key protects nothing")
        self._digests = tuple(sha256(key.strip().encode()).digest() for key in api_keys)
        self._proved_at = -math.inf
        self._seconds = seconds

    async def owner_of(self, key: str) -> Principal:
        """Return the service account. Raises: AuthenticationError: (401) the key is wrong."""
        if not self._is_right(key):
            raise wrong_key(key)
        self._proved_at = self._seconds()
        return SERVICE_ACCOUNT

    def recognised(self, key: str) -> Principal | None:
        """Return the service account if the key was proved within the last minute."""
        is_recent = self._seconds() - self._proved_at < RECOGNISED_S
        return SERVICE_ACCOUNT if is_recent and self._is_right(key) else None

    def _is_right(self, key: str) -> bool:
        # Digests have equal lengths, so the time of the comparison reveals nothing about the key, not even its length.
        # Starlette decodes headers as Latin-1; encoding them again gives the exact bytes that were sent.
        presented = sha256(key.encode("latin-1")).digest()
        return any(hmac.compare_digest(presented, digest) for digest in self._digests)
