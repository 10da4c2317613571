"""AuthProvider and its implementations: from the headers of one request to a Principal, or a refusal.

Every provider fails closed, compares secrets in constant time and never reveals the presented credential. Refusals
carry no `WWW-Authenticate: Bearer` while OAuth is off: it would send clients to an authorization server that does not
exist (MCP authorization, 2026-07-28).
"""

import hmac
from hashlib import sha256
from typing import Final

from starlette.requests import HTTPConnection

from shared.identity import AuthenticationError, AuthProvider, Principal

__all__ = ("APIKeyAuthProvider", "AnonymousAuthProvider", "AuthProvider", "AuthenticationError", "presented_key")

NO_KEY: Final = "Send the server's API key in the header x-api-key."
WRONG_KEY: Final = "This API key is not valid."
"""The one refusal of every invalid key, whatever the reason."""
SHARED: Final = "shared"
"""`Principal.credential` of the shared key."""
_BLANKS: Final = " \t"
"""The padding allowed around a header value (RFC 9110, 5.5); other Unicode white space may be bytes of a key."""


def presented_key(request: HTTPConnection) -> str | None:
    """Return the one key presented in `x-api-key` or `Authorization: Bearer`, or None.

    Raises:
        AuthenticationError: (400) two credentials at once, or an `Authorization` header of another scheme.
    """
    credential = only_credential(request)
    if credential is None:
        return None
    header, value = credential
    if header == "x-api-key":
        return value
    scheme, _, key = value.partition(" ")
    if scheme.lower() != "bearer":
        raise AuthenticationError("Authorization must be of the form 'Bearer <key>'.", status=400)
    return key.strip(_BLANKS)


def only_credential(request: HTTPConnection) -> tuple[str, str] | None:
    """Return name and value of the one header with a credential of any kind, or None.

    Raises:
        AuthenticationError: (400) two credentials at once.
    """
    found = [(name, value) for name in ("x-api-key", "authorization") for value in request.headers.getlist(name)]
    if len(found) > 1:
        raise AuthenticationError(
            "Send one credential: either the header x-api-key or Authorization: Bearer, not both.", status=400
        )
    return (found[0][0], found[0][1].strip(_BLANKS)) if found else None


class AnonymousAuthProvider(AuthProvider):
    """Accepts every request as one principal. For loopback, where the machine's own user is the only caller."""

    async def authenticate(self, request: HTTPConnection) -> Principal:  # noqa: ARG002 - nothing is checked
        """Return the one anonymous principal; a key that is sent anyway is ignored."""
        return Principal(id="anonymous")


class APIKeyAuthProvider(AuthProvider):
    """One shared key, sent as `x-api-key` or `Authorization: Bearer`; all its holders are one service account.

    The minimum length of the key is a rule of the settings, not of this class.

    Raises:
        ValueError: the key is empty, which would accept an empty header.
    """

    def __init__(self, api_key: str) -> None:
        if not api_key.strip():
            raise ValueError("an empty API key protects nothing")
        self._digest = sha256(api_key.strip().encode()).digest()

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the service account.

        Raises:
            AuthenticationError: (401) no key or a wrong one; (400) contradicting credentials.
        """
        key = presented_key(request)
        if key is None:
            raise AuthenticationError(NO_KEY)
        # Digests have equal lengths, so the time of the comparison reveals nothing about the key, not even its length.
        # Starlette decodes headers as Latin-1; encoding them again gives the exact bytes that were sent.
        if not hmac.compare_digest(sha256(key.encode("latin-1")).digest(), self._digest):
            raise AuthenticationError(WRONG_KEY)
        return Principal(id="service-account", proof="api_key", credential=SHARED)
