"""Settings of sign-in: at which identity provider, for which organisations, and whose access tokens are accepted."""

import re
from collections.abc import Mapping
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

from shared.config.common import IdentitySettings
from shared.environment import PLACEHOLDER, Names
from shared.http.hosts import is_loopback, is_private

_URL: Final = re.compile(r"https?://[\w.~:/\[\]%!$&'()*+-]{1,290}", re.ASCII)
"""What an issuer may have: no query, fragment or user, and none of `;,=`, with which a list would pass as one."""
_RESOURCES: Final = ("/mcp", "/sse")
_TENANT: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FORM: Final = (
    "must be the URL of an identity provider, exactly as its metadata spells `issuer`, for example "
    "https://login.example.com"
)


def _split(value: object) -> object:
    """Return the organisations of each issuer: none for one that serves all of them."""
    if not isinstance(value, str):
        return value
    issuers: dict[str, frozenset[str]] = {}
    for entry in filter(None, map(str.strip, value.split(","))):
        url, is_bound, tenants = entry.partition("=")
        if url.strip() in issuers:
            raise ValueError("must name each issuer once: URL=ORGANISATION ORGANISATION")
        issuers[url.strip()] = named = frozenset(tenants.split())
        if is_bound and not named:
            raise ValueError("must name an organisation after each =: URL=ORGANISATION ORGANISATION")
    return issuers


def _checked(issuers: Mapping[str, frozenset[str]]) -> Mapping[str, frozenset[str]]:
    for url, tenants in issuers.items():
        _check_url(url)
        if not all(map(_TENANT.fullmatch, tenants)):
            raise ValueError("must name organisations by their ids, separated by spaces: URL=ORGANISATION ORGANISATION")
    if len(issuers) > 1 and not all(issuers.values()):
        raise ValueError("must bind each of several issuers to its organisations: URL=ORGANISATION ORGANISATION, URL=…")
    return issuers


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")  # as the lookup does: an empty or a long label
    except ValueError:
        raise ValueError(_FORM) from None
    if not _URL.fullmatch(url) or not host or PLACEHOLDER.fullmatch(host):
        raise ValueError(_FORM)
    if parts.scheme != "https" and not is_loopback(host):
        raise ValueError("must begin with https:// (http:// only on this machine)")
    if is_private(host) and not is_loopback(host):
        raise ValueError("must be a public address: the keys of an identity provider in a private network are not read")


Issuers = Annotated[Mapping[str, frozenset[str]], NoDecode, BeforeValidator(_split), AfterValidator(_checked)]
"""The ids of the organisations that each issuer serves, by its URL byte for byte as tokens spell it; none for all."""


class SignInSettings(IdentitySettings):
    """Settings of sign-in with the organisations' own identity providers (OAuth 2.1, OpenID Connect)."""

    oauth_enabled: bool = Field(
        default=False,
        description="Let people sign in, beside keys: with Google (`MCP_OAUTH_CLIENT_ID`), or with the access tokens "
        "of a provider of your own (`MCP_OAUTH_ISSUER`): docs/oauth.md. Needs one of the two, `MCP_PUBLIC_URL` and "
        "`MCP_IDENTITY_KEYS`.",
    )
    oauth_issuer: Issuers = Field(
        default_factory=dict,
        description="URL of the identity provider, exactly as its metadata spells `issuer`. Several, or one for some "
        "organisations only: `URL=ORGANISATION ORGANISATION`, comma-separated. With `MCP_OAUTH_CLIENT_ID` only one; "
        "default: Google.",
    )
    oauth_audience: Names = Field(
        default=(),
        description="Further audiences of access tokens for this server, comma-separated, for providers that cannot "
        "use its URL. Always accepted: `MCP_PUBLIC_URL`, alone or followed by `/mcp` or `/sse`. No effect with "
        "`MCP_OAUTH_CLIENT_ID`.",
    )

    def check_resources(self, public_url: str) -> None:
        """See that tokens for `/mcp` and tokens for `/sse` below `public_url` can be told apart. Raises: ValueError."""
        base = public_url.rstrip("/")
        if base.endswith(_RESOURCES):
            raise ValueError(
                "MCP_PUBLIC_URL must be the address of the server, without /mcp or /sse at its end, when "
                "MCP_OAUTH_ENABLED is set: tokens are for addresses below it"
            )
        for name in self.oauth_audience:
            if name.rstrip("/").lower() in {f"{base.lower()}{path}" for path in _RESOURCES}:
                raise ValueError(
                    "MCP_OAUTH_AUDIENCE must not name /mcp or /sse below MCP_PUBLIC_URL, which are accepted anyway: "
                    "a token for one of them would count for the other"
                )

    @property
    def has_loopback_issuer(self) -> bool:
        """Whether an identity provider runs on this machine, as in development."""
        return any(is_loopback(urlsplit(url).hostname or "") for url in self.oauth_issuer)
