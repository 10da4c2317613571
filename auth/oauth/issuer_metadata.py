"""The metadata of an issuer: where it serves its keys, and what else it says about itself.

Sources: OpenID Connect Discovery 1.0, section 4; RFC 8414, sections 3 and 5 (for an issuer with a path).
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from auth.oauth.fetcher import FetchError, GuardedFetcher, short

_OPENID: Final = "/.well-known/openid-configuration"
_OAUTH: Final = "/.well-known/oauth-authorization-server"


def metadata_addresses(issuer: str) -> tuple[str, ...]:
    """Return the addresses where the metadata of `issuer` may be, the most common one first."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return tuple(dict.fromkeys((f"{origin}{path}{_OPENID}", f"{origin}{_OAUTH}{path}", f"{origin}{_OPENID}{path}")))


async def jwks_uri_of(issuer: str, fetcher: GuardedFetcher) -> str:
    """Return where the keys of `issuer` are.

    Raises:
        FetchError: the metadata cannot be fetched, is that of another issuer, or names no keys.
    """
    jwks_uri = (await metadata_of(issuer, fetcher)).get("jwks_uri")
    if not isinstance(jwks_uri, str):
        raise FetchError("the metadata has no jwks_uri")
    return jwks_uri


async def metadata_of(issuer: str, fetcher: GuardedFetcher) -> Mapping[str, Any]:
    """Return the metadata of `issuer`. Raises: FetchError: it cannot be fetched, or is that of another issuer."""
    metadata = await _metadata(issuer, fetcher)
    if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
        # Mix-up and impersonation: what a document says counts for the issuer that it names alone (RFC 8414, 3.3).
        named = metadata.get("issuer") if isinstance(metadata, dict) else None
        said = short(repr(named))
        raise FetchError(f"the metadata is that of the issuer {said}; set MCP_OAUTH_ISSUER as it is spelled there")
    return metadata


async def _metadata(issuer: str, fetcher: GuardedFetcher) -> object:
    """Return the first metadata document that exists."""
    *others, last = metadata_addresses(issuer)
    for address in others:
        try:
            return await fetcher.json(address)
        except FetchError as error:
            if error.status is None or not 400 <= error.status < 500:
                raise
    return await fetcher.json(last)
