"""Access tokens of this server: signed for a grant, and the keys that sign and verify them.

A token is a JWT that names its grant (`grant`). What its owner may do is looked up there at each use; what the token
says of it is only an upper limit. Sources: RFC 9068 (JWT access tokens), RFC 7517 (JWKS), RFC 7518 (ES256).
"""

import secrets
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import Key

from auth.authorization_server.tokens.key_ring import KeyRing
from auth.store import utc_now
from auth.store.authorization.records import LiveGrant
from auth.store.errors import StoreUnavailableError
from shared.identity import AuthenticationError, Scope

LIFE_S: Final = 900
"""How long an access token is valid, in seconds."""
ALGORITHM: Final = "ES256"


class AccessTokens:
    """Issues the access tokens of this server; the verifier of tokens asks it for their keys. Use inside `run()`.

    Args:
        issuer: the public address, without a slash at the end.
        keys: sign and verify.
        clock: the current time, timezone-aware.
    """

    def __init__(self, issuer: str, keys: KeyRing, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.issuer = issuer
        self._keys = keys
        self._clock = clock

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Make the first key if it is missing; end lookups when left. Without the store, the first token makes it."""
        try:
            with suppress(StoreUnavailableError):
                await self._keys.signing()
            yield
        finally:
            await self.aclose()

    async def sign(self, grant: LiveGrant, *, scopes: Collection[Scope], resource: str) -> str:
        """Return a token of `LIFE_S` seconds for some `scopes` of a grant, and its `resource` or one below it.

        Raises:
            StoreUnavailableError: no key to sign with is known.
        """
        key = await self._keys.signing()
        now = int(self._clock().timestamp())
        allowed = grant.authorization
        claims = {
            "iss": self.issuer,
            "sub": allowed.user,
            "aud": resource,
            "client_id": allowed.client_id,
            "scope": scope_text(scopes),
            "tenant": allowed.tenant,
            "grant": grant.id,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + LIFE_S,
        }
        return jwt.encode({"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}, claims, key, algorithms=[ALGORITHM])

    async def jwks(self) -> Mapping[str, Any]:
        """Return the public keys of the tokens that are accepted. Raises: StoreUnavailableError."""
        keys = await self._keys.verifying()
        return {"keys": [{**key.as_dict(private=False), "use": "sig", "alg": ALGORITHM} for key in keys]}

    async def signer(self, name: str | None, has_signed: Callable[[Key], bool]) -> Key | None:
        """Return the key that signed a token, or None; see `auth.oauth.verification.KeySource`."""
        try:
            key = None if name is None else await self._keys.find(name)
        except StoreUnavailableError as error:
            raise AuthenticationError(str(error), status=503, retry_after_s=1) from error
        return key if key is not None and has_signed(key) else None

    async def aclose(self) -> None:
        """End lookups in flight."""
        await self._keys.aclose()


def scope_text(scopes: Collection[Scope]) -> str:
    """Return scopes as `scope` has them: with spaces, always in the same order."""
    return " ".join(scope.value for scope in Scope if scope in scopes)
