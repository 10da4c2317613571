"""Verifies access tokens (JWT) of the configured issuers.

What costs least is checked first: size, form, claims, then the key and the signature. Nothing of a token is used, and
no address is asked for, before all of it was accepted. A verified token is remembered by its digest, so that its next
uses cost no signature check, until it expires and at most for `REMEMBERED_S`: a key that its issuer withdrew is checked
again then.

Sources: RFC 9068, section 4; RFC 8725 (algorithms are a list of this server, never of the token or its keys).
"""

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from hashlib import sha256
from typing import Any, Final, Protocol

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import Key

from auth.oauth.claims import LEEWAY_S, read_claims
from auth.oauth.tokens import InvalidTokenError, TokenFault, VerifiedToken
from shared.json_body import MalformedMessageError, read
from shared.lru import LRUCache

ALGORITHMS: Final = frozenset({"RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"})
MAX_CHARACTERS: Final = 8 * 1024
MAX_REMEMBERED: Final = 10_000
REMEMBERED_S: Final = 300.0
_FORM: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)
"""Three parts in base64url (RFC 7515, section 7.1); the third is empty for `none`."""


class KeySource(Protocol):
    """The signing keys of one issuer: fetched from it, or those of this server itself."""

    async def signer(self, name: str | None, has_signed: Callable[[Key], bool]) -> Key | None:
        """Return the key that signed a token, or None.

        Args:
            name: what the header `kid` of the token names.
            has_signed: whether the token has the signature of a key.

        Raises:
            AuthenticationError: (503) the keys cannot be looked up.
        """
        ...

    async def aclose(self) -> None:
        """End lookups in flight."""
        ...


class TokenVerifier:
    """Verifies tokens of some issuers. Close it with `aclose`.

    Args:
        issuers: the keys of each issuer, by its URL, exactly as the claim `iss` spells it. A key verifies the tokens of
            its own issuer alone.
        clock: Unix time.
    """

    def __init__(self, issuers: Mapping[str, KeySource], *, clock: Callable[[], float] = time.time) -> None:
        self._issuers = issuers
        self._clock = clock
        self._verified: LRUCache[bytes, tuple[VerifiedToken, float]] = LRUCache(MAX_REMEMBERED)
        """Tokens by their digests, and until when each counts, in Unix time."""

    async def verify(self, token: str) -> VerifiedToken:
        """Return what `token` says.

        Raises:
            InvalidTokenError: (401) it is not valid.
            AuthenticationError: (503) the keys of its issuer cannot be looked up.
        """
        if len(token) > MAX_CHARACTERS or not token.isascii():
            raise InvalidTokenError(TokenFault.MALFORMED)
        digest = sha256(token.encode()).digest()
        remembered = self._verified.get(digest)
        if remembered is not None and self._clock() < remembered[1]:
            return remembered[0]
        verified = await self._checked(token)
        self._verified.put(digest, (verified, min(verified.expires_at + LEEWAY_S, self._clock() + REMEMBERED_S)))
        return verified

    async def aclose(self) -> None:
        """End the lookups in flight."""
        for keys in self._issuers.values():
            await keys.aclose()

    async def _checked(self, token: str) -> VerifiedToken:
        signed, header = opened(token)
        verified = read_claims(header, json_object(signed.payload), self._issuers, self._clock())
        if await self._issuers[verified.issuer].signer(header.get("kid"), partial(is_signed, signed)) is None:
            raise InvalidTokenError(TokenFault.SIGNATURE)
        return verified


class _Registry(jws.JWSRegistry):
    """The algorithms that are accepted, EdDSA without the warning that its name is deprecated (RFC 9864)."""

    max_header_length = MAX_CHARACTERS

    def get_alg(self, name: str) -> Any:
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY: Final = _Registry(strict_check_header=False)  # unknown header parameters are ignored (RFC 7515, section 4)


def opened(token: str) -> tuple[jws.CompactSignature, Mapping[str, Any]]:
    """Return the parts of `token` and its header, which names a key. Raises: InvalidTokenError."""
    if not _FORM.fullmatch(token):
        raise InvalidTokenError(TokenFault.MALFORMED)
    try:
        signed = jws.extract_compact(token.encode(), registry=_REGISTRY)
    except (JoseError, ValueError, RecursionError) as error:
        raise InvalidTokenError(TokenFault.MALFORMED) from error
    header: object = signed.headers()
    if not isinstance(header, dict) or not isinstance(header.get("kid", ""), str):
        raise InvalidTokenError(TokenFault.MALFORMED)
    algorithm = header.get("alg")
    # No extension that `crit` could name is understood.
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS or "crit" in header:
        raise InvalidTokenError(TokenFault.SIGNATURE)
    return signed, header


def is_signed(signed: jws.CompactSignature, key: Key) -> bool:
    """Return whether `key` signed a token that was opened."""
    try:
        return jws.validate_compact(signed, key, registry=_REGISTRY)
    except (JoseError, ValueError):  # a key of another kind than the algorithm needs
        return False


def json_object(payload: bytes) -> Mapping[str, Any]:
    """Return the claims of a token. Raises: InvalidTokenError."""
    try:
        claims = read(payload)
    except MalformedMessageError as error:
        raise InvalidTokenError(TokenFault.MALFORMED) from error
    if not isinstance(claims, dict):
        raise InvalidTokenError(TokenFault.MALFORMED)
    return claims
