"""Settings of the server's own authorization server: where its people sign in, and which clients it serves.

`MCP_OAUTH_CLIENT_ID` turns it on: this server is then a client of one identity provider, learns there who signs in, and
issues access tokens of its own. Without it, the tokens of that provider itself are accepted.
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
from shared.environment import PLACEHOLDER, Key, Names
from shared.identity import GOOGLE

HOSTED_RANGES: Final = ("160.79.104.0/21", "2607:6bc0::/48")
"""From where Anthropic's hosted assistants connect, as they publish it (November 2026)."""
_GOOGLE_CLIENTS: Final = ".apps.googleusercontent.com"
_CLIENT_ID: Final = re.compile(r"[!-~]{1,255}")
_PEM: Final = re.compile(r"-----BEGIN (?P<kind>[A-Z ]+)-----.*?-----END (?P=kind)-----", re.DOTALL)


def _client_id(value: str) -> str:
    if not _CLIENT_ID.fullmatch(value) or PLACEHOLDER.fullmatch(value):
        raise ValueError("must be the client id that the identity provider shows, without spaces")
    return value


def _ranges(written: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(ipaddress.ip_network(each)) for each in written)
    except ValueError:
        raise ValueError("must be ranges of addresses, comma-separated, for example 192.0.2.0/24") from None


def _split_pem(value: object) -> object:
    """Return each PEM document of a text, in which a backslash and an n may stand for a line end."""
    if not isinstance(value, str):
        return value
    text = value.replace("\\n", "\n")
    found = [match[0] for match in _PEM.finditer(text) if match["kind"] != "EC PARAMETERS"]
    return found if found and not _PEM.sub("", text).strip(" \t\r\n,") else [""]  # the latter is refused below


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
    oauth_redirects: Names = Field(
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
        description="Private keys (PEM, P-256) of access tokens: the first is for signing, all verify. Default: the "
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

    def check_provider(self) -> None:
        """See that this server can be a client of the identity provider. Raises: ValueError."""
        client_id, secret = self.oauth_client_id, self.oauth_client_secret
        if (client_id is None) != (secret is None):
            missing = "MCP_OAUTH_CLIENT_ID" if client_id is None else "MCP_OAUTH_CLIENT_SECRET"
            raise ValueError(
                f"{missing} is missing: MCP_OAUTH_CLIENT_ID and MCP_OAUTH_CLIENT_SECRET belong together; the "
                "identity provider shows both"
            )
        hosts = {urlsplit(url).hostname for url in self.sign_in_issuers}
        is_google = urlsplit(GOOGLE).hostname in hosts
        if is_google and GOOGLE not in self.sign_in_issuers:
            raise ValueError(f"MCP_OAUTH_ISSUER must be exactly {GOOGLE} for Google; it may also be left out")
        if client_id is None or secret is None:
            if is_google:
                raise ValueError(
                    "MCP_OAUTH_ISSUER names Google, whose access tokens are for Google alone: set MCP_OAUTH_CLIENT_ID "
                    "and MCP_OAUTH_CLIENT_SECRET as well, and this server issues tokens itself (docs/oauth.md)"
                )
            return
        if len(self.sign_in_issuers) > 1:
            raise ValueError(
                "MCP_OAUTH_ISSUER must name one identity provider when MCP_OAUTH_CLIENT_ID is set, which is the id of "
                "this server there"
            )
        if client_id == secret.get_secret_value() or (is_google and not client_id.endswith(_GOOGLE_CLIENTS)):
            raise ValueError(
                "MCP_OAUTH_CLIENT_ID must be the client id, which everyone may see, and not the secret; at Google it "
                f"ends with {_GOOGLE_CLIENTS}"
            )
