"""OAuthProvider: access tokens of an organisation's own OpenID provider stand for its people and programs.

The server is an OAuth resource server: it verifies tokens and issues none. A token is accepted in the header
`Authorization: Bearer` alone, never in the query, and only if it was issued for the resource of the request's path.
Sources: MCP authorization (2026-07-28); RFC 6750, 8707, 9068.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.requests import HTTPConnection

from auth.oauth.identities import StoredIdentities
from auth.oauth.resources import ProtectedResources
from auth.oauth.verification import TokenVerifier
from auth.presented import NoCredentialError, presented
from shared.identity import AuthProvider, Principal

NOT_SIGNED_IN: Final = "Sign in: send an access token as Authorization: Bearer."


class OAuthProvider(AuthProvider):
    """Authenticates holders of access tokens. Use inside `run()`.

    Args:
        verifier: checks tokens; closed at the end.
        identities: finds the owner of a token.
        resources: which tokens are for which path.
    """

    def __init__(self, verifier: TokenVerifier, identities: StoredIdentities, resources: ProtectedResources) -> None:
        self._verifier = verifier
        self._identities = identities
        self._resources = resources

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """End lookups and fetches in flight when left."""
        async with self._identities.run():
            try:
                yield
            finally:
                await self._verifier.aclose()

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal that the token of `request` stands for.

        Raises:
            InvalidTokenError: (401) the token is not valid, or not for the resource of the path.
            NotAdmittedError: (403) it is valid, but this server does not admit its subject.
            AuthenticationError: (401) there is no token; (400) contradicting credentials; (503) it cannot be checked
                at the moment.
        """
        token = presented(request).bearer
        if not token:
            raise NoCredentialError(NOT_SIGNED_IN)
        verified = await self._verifier.verify(token)
        verified.check_audience(self._resources.audiences_of(request.scope["path"]))
        return await self._identities.principal_of(verified)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether identity and membership of `principal` are unchanged, whatever became of its token."""
        return await self._identities.is_still_valid(principal)
