"""Settings of the server's own authorization server: where its people sign in, and which clients it serves.

`MCP_OAUTH_CLIENT_ID` turns it on: this server is then a client of one identity provider, which tells it who signs in,
and issues access tokens of its own. Without it, the tokens of that provider itself are accepted.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from shared.config.sign_in import SignInSettings
from shared.environment import Key, Names
from shared.http.hosts import is_loopback
from shared.identity import GOOGLE

HOSTED_RANGES: Final = ("160.79.104.0/21", "2607:6bc0::/48")
"""From where Anthropic's hosted assistants connect, as they publish it (November 2026)."""
_GOOGLE_CLIENTS: Final = ".apps.googleusercontent.com"
_MAX_CLIENT_ID: Final = 255
_PEM: Final = re.compile(r"-----BEGIN (?P<kind>[A-Z ]+)-----.*?-----END (?P=kind)-----", re.DOTALL)
_REDIRECT: Final = re.compile(r"[a-z][a-z0-9+.-]{0,39}:/[!-~]{1,500}")
_NEVER_A_CLIENT: Final = frozenset({
    *("about", "blob", "data", "file", "filesystem", "ftp", "http", "javascript", "vbscript", "view-source"),
    *("ws", "wss"),
})  # fmt: skip
"""Schemes that a browser opens itself. `http` is for loopback addresses, which need no setting."""


def _client_id(value: str) -> str:
    if not re.fullmatch(r"[!-~]+", value) or len(value) > _MAX_CLIENT_ID:
        raise ValueError(f"must be the client id of the identity provider: at most {_MAX_CLIENT_ID} characters, ASCII")
    return value


def _redirects(uris: tuple[str, ...]) -> tuple[str, ...]:
    for uri in uris:
        if not _is_redirect(uri):
            raise ValueError(
                "must be complete redirect addresses of clients, comma-separated: https://HOST/PATH, or with a scheme "
                "of the client's own, without * and # (addresses on the client's machine are always accepted)"
            )
    return uris


def _is_redirect(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        has_host, _ = bool(parts.hostname), parts.port
    except ValueError:
        return False
    if not _REDIRECT.fullmatch(uri) or "*" in uri or "#" in uri or "@" in parts.netloc:
        return False
    return has_host if parts.scheme == "https" else parts.scheme not in _NEVER_A_CLIENT


def _ranges(written: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(each)) for each in written)
    except ValueError:
        raise ValueError("must be ranges of addresses, comma-separated, for example 192.0.2.0/24") from None


def _split_pem(value: object) -> object:
    """Return each PEM document of a text, whose line ends may be written as `\\n`."""
    if not isinstance(value, str):
        return value
    text = value.replace("\\n", "\n")
    found = [match[0] for match in _PEM.finditer(text) if match["kind"] != "EC PARAMETERS"]
    return found if not _PEM.sub("", text).strip(" \t\r\n,") else [value]  # the latter is refused below


def _signing_keys(keys: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if not all(_is_signing_key(key.get_secret_value()) for key in keys):
        raise ValueError(
            "must be private keys for ES256 (curve P-256) in PEM, one after the other, without a passphrase. Make one "
            "with: openssl ecparam -name prime256v1 -genkey -noout"
        )
    return keys


def _is_signing_key(pem: str) -> bool:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1)


ClientId = Annotated[str, AfterValidator(_client_id)]
Redirects = Annotated[Names, AfterValidator(_redirects)]
Ranges = Annotated[Names, AfterValidator(_ranges)]
PemKeys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split_pem), AfterValidator(_signing_keys)]
"""Private keys for ES256, each in PEM."""


class AuthorizationServerSettings(SignInSettings):
    """Settings of sign-in with Google, or with another OpenID provider that issues no tokens for this server."""

    oauth_client_id: ClientId | None = Field(
        default=None,
        description="Client id of this server at the identity provider. People then sign in there, by default at "
        "Google, and this server issues access tokens of its own: docs/oauth.md. Needs `MCP_OAUTH_CLIENT_SECRET`.",
    )
    oauth_client_secret: Key | None = Field(
        default=None, description="Client secret that belongs to `MCP_OAUTH_CLIENT_ID`."
    )
    oauth_registration: bool = Field(
        default=True,
        description="Let clients register themselves, as older ones must. Others name a document about themselves.",
    )
    oauth_redirects: Redirects = Field(
        default=(),
        description="Further redirect addresses of clients, comma-separated and complete. Always accepted: those of "
        "the assistants in docs/oauth.md, and addresses on the client's own machine.",
    )
    oauth_hosted_ranges: Ranges = Field(
        default=HOSTED_RANGES,
        description="Address ranges of hosted assistants, comma-separated: many people sign in from few addresses "
        "there, so limits per address are wider.",
    )
    oauth_signing_keys: PemKeys = Field(
        default=(),
        description="Private keys (PEM, P-256) that sign access tokens: the first signs, all verify. Default: the "
        "identity store keeps keys of its own, and `auth signing-key rotate` renews them.",
    )

    @property
    def issues_tokens(self) -> bool:
        """Whether this server has an authorization server of its own."""
        return self.oauth_client_id is not None

    @property
    def sign_in_issuers(self) -> Mapping[str, frozenset[str]]:
        """The organisations of each identity provider at which people sign in; without a name, Google for all."""
        return self.oauth_issuer or ({GOOGLE: frozenset()} if self.issues_tokens else {})
