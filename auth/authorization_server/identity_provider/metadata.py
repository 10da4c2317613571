"""Where a person signs in at the identity provider, and where a code is exchanged, from its metadata, which is cached.

It is fetched at the first sign-in, and at one later than `FRESH_S`. While the provider does not answer, what is known
goes on working until it is `MAX_AGE_S` old, and the next attempt is made `AWAY_S` later.
Sources: OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2; RFC 9207, section 3.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from auth.oauth.fetcher import FetchError, GuardedFetcher
from auth.oauth.issuer_metadata import metadata_of
from shared.http.hosts import is_loopback
from shared.telemetry import get_logger

log = get_logger(__name__)

FRESH_S: Final = 3600.0
MAX_AGE_S: Final = 24 * 3600.0
AWAY_S: Final = 5.0
"""How long a provider that did not answer is not asked again, in seconds."""
POST, BASIC = "client_secret_post", "client_secret_basic"
_LONGEST_URL: Final = 2000


@dataclass(frozen=True, slots=True)
class ProviderEndpoints:
    """What the metadata of a provider says about signing in there."""

    authorization: str
    token: str
    methods: Sequence[str]
    """How a client with a secret may authenticate: `client_secret_post`, `client_secret_basic` or both."""
    names_itself: bool
    """Whether every response names its issuer (RFC 9207), so that one without it is another provider's."""


class ProviderMetadata:
    """The endpoints of one provider.

    Args:
        issuer: its URL, exactly as its metadata spells it.
        fetcher: fetches the metadata.
        seconds: a monotonic clock.
    """

    def __init__(self, issuer: str, fetcher: GuardedFetcher, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._seconds = seconds
        self._known: ProviderEndpoints | None = None
        self._fetched_at = self._failed_at = -math.inf
        self._failure = ""
        self._lock = asyncio.Lock()

    async def endpoints(self) -> ProviderEndpoints:
        """Return the endpoints; all who ask at the same time share one fetch.

        Raises:
            FetchError: they are not known, and the provider does not answer or says nothing that can be used.
        """
        async with self._lock:
            now = self._seconds()
            if now - self._fetched_at >= FRESH_S and now - self._failed_at >= AWAY_S:
                await self._fetch(now)
            if self._known is None or now - self._fetched_at >= MAX_AGE_S:
                raise FetchError(self._failure)
            return self._known

    async def _fetch(self, now: float) -> None:
        try:
            self._known = endpoints_in(self._issuer, await metadata_of(self._issuer, self._fetcher))
            self._fetched_at = now
        except FetchError as error:
            self._failed_at, self._failure = self._seconds(), str(error)
            log.warning("provider_metadata_unavailable", issuer=self._issuer, reason=self._failure)


def endpoints_in(issuer: str, metadata: Mapping[str, Any]) -> ProviderEndpoints:
    """Return the endpoints that the metadata of `issuer` names. Raises: FetchError: none to sign in at."""
    authorization, token = metadata.get("authorization_endpoint"), metadata.get("token_endpoint")
    if not _is_address(authorization, of=issuer) or not isinstance(token, str):
        raise FetchError("the metadata has no authorization_endpoint or no token_endpoint that can be used")
    named = metadata.get("token_endpoint_auth_methods_supported", [BASIC])  # the default of both standards
    methods = [method for method in (POST, BASIC) if isinstance(named, list) and method in named]
    if not methods:
        raise FetchError(f"its token endpoint takes a client secret neither as {POST} nor as {BASIC}")
    names_itself = metadata.get("authorization_response_iss_parameter_supported") is True
    return ProviderEndpoints(str(authorization), token, methods, names_itself)


def _is_address(url: object, *, of: str) -> bool:
    """Return whether the issuer `of` may send browsers to `url`; only one on this machine may name this machine.

    The addresses that this server asks are checked when it does.
    """
    if not isinstance(url, str) or len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if is_loopback(host):
        is_reached = parts.scheme in {"http", "https"} and is_loopback(urlsplit(of).hostname or "")
    else:
        is_reached = parts.scheme == "https" and bool(host)
    return is_reached and "@" not in parts.netloc and "#" not in url
