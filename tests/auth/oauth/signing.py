"""Identity providers for tests: their keys are real, and so is what verifies them; their documents are in memory."""

from collections.abc import Mapping
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import OKPKey

from auth.access import IdentityService, SignIn
from auth.oauth.fetcher import MAX_BYTES, FetchError, GuardedFetcher

PUBLIC: Final = "https://tickets.example"


class Signer:
    """An identity provider; its tokens have the claims that a test asks for."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = OKPKey.generate_key("Ed25519", {"kid": "one", "use": "sig"})

    @property
    def documents(self) -> dict[str, Any]:
        """Its metadata and its keys, by their addresses."""
        keys = f"{self.url}/keys"
        metadata = {"issuer": self.url, "jwks_uri": keys}
        return {
            f"{self.url}/.well-known/openid-configuration": metadata,
            keys: {"keys": [self._key.as_dict(private=False)]},
        }

    def token(self, subject: str, now: float, **claims: Any) -> str:
        """Return an access token of an hour for `/mcp`; None leaves a claim out."""
        usual = {
            "iss": self.url,
            "sub": subject,
            "aud": f"{PUBLIC}/mcp",
            "client_id": "a-client",
            "scope": "tickets:read tickets:write",
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        said = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode({"alg": "Ed25519", "kid": "one", "typ": "at+jwt"}, said, self._key, algorithms=["Ed25519"])


class Documents(GuardedFetcher):
    """Fetches the documents of `issuers` without a network."""

    def __init__(self, *issuers: Signer) -> None:
        self._documents = {url: document for issuer in issuers for url, document in issuer.documents.items()}

    async def json(self, url: str, *, max_bytes: int = MAX_BYTES) -> object:
        """Return the document."""
        if url not in self._documents:
            raise FetchError("not found", status=404)
        return self._documents[url]


def signing_in(
    url: str, secret: str, issuers: Mapping[Signer, frozenset[str]], *, cache_s: float = 30
) -> IdentityService:
    """Return what authenticates people of the identity store at `url`, who sign in at `issuers`."""
    served = {issuer.url: tenants for issuer, tenants in issuers.items()}
    documents = Documents(*issuers)
    sign_in = SignIn(issuers=served, public_url=PUBLIC, fetcher_for=lambda _: documents)
    return IdentityService(url, [secret], cache_s=cache_s, sign_in=sign_in)
