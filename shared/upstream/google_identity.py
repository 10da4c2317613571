"""The Google identity of this server: an ID token of the metadata server, for a ticket API that Cloud Run guards.

- The token is for one audience, the origin of the ticket API, and is sent there alone, by https, in the header that
  Cloud Run removes before the request reaches the ticket API. `x-api-key` is left as it is.
- It is kept until some minutes before it expires; one request at a time fetches it, and the others wait for that one.
- Without a valid token nothing is sent. Tokens are neither logged nor shown.

Source: cloud.google.com/run/docs/authenticating/service-to-service and
cloud.google.com/compute/docs/instances/verifying-instance-identity.
"""

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

from shared.errors import TicketServerError, UpstreamRefusedError, UpstreamUnavailableError
from shared.localization import localized
from shared.telemetry import get_logger
from shared.upstream.body_text import is_page
from shared.upstream.connection_pool import ConnectionPool
from shared.upstream.transport import ApiTransport, LostError, Received, Request

log = get_logger(__name__)

METADATA_HOST: Final = "metadata.google.internal"
HEADER: Final = "x-serverless-authorization"
_FLAVOR: Final = {"metadata-flavor": "Google"}
_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/identity?audience="
_FETCH_S: Final = 2.0
_EARLY_S: Final = 300.0
"""How long before it expires a token is renewed, in seconds."""
_AGAIN_S: Final = 10.0
"""How long the next fetch waits after one that brought nothing newer, in seconds, while the token in hand is valid."""
_SPARE_S: Final = 30.0
"""For clocks that differ: a token is not used in its last seconds."""
_PAUSE_S: Final = 1.0
"""How long a failure counts for everyone who comes meanwhile, in seconds."""
_LONGEST: Final = 16_384
_TOKEN: Final = re.compile(r"[\w-]+\.([\w-]+)\.[\w-]+", re.ASCII)


class _NoTokenError(TicketServerError):
    """The metadata server gave no token; the text is for the log."""


class GoogleIdentity:
    """Tokens for one ticket API. Use it inside one event loop, and close it.

    Args:
        address: of the ticket API, whose origin is the audience.
        metadata_host: host, or host and port, of the metadata server.
        clock: returns the time in seconds since 1970, by which tokens expire.
    """

    def __init__(
        self, address: str, *, metadata_host: str = METADATA_HOST, clock: Callable[[], float] = time.time
    ) -> None:
        self._audience = _origin(address)
        self._request = Request("GET", _PATH + quote(self._audience, safe=""), {}, None)
        host, _, port = metadata_host.partition(":")
        self._metadata = ConnectionPool(host, int(port or 80), authority=metadata_host, tls=None, headers=_FLAVOR)
        self._clock = clock
        self._one = asyncio.Lock()
        self._token = ""
        self._renewed_at = self._unusable_at = self._failed_until = float("-inf")

    def over(self, transport: ApiTransport, address: str) -> ApiTransport:
        """Return `transport`, whose requests go to `address`, with a token in each request.

        Raises:
            ValueError: the tokens are for another address, or others could read them on the way.
        """
        if _origin(address) != self._audience or not address.startswith("https://"):
            raise ValueError("an identity is sent by https, and only to the ticket API that it is for")
        return _IdentifiedTransport(transport, self)

    async def token(self) -> str:
        """Return a token that is valid now.

        Raises:
            UpstreamUnavailableError: the metadata server gives none; nothing was sent to the ticket API.
        """
        if self._clock() < self._renewed_at:
            return self._token
        async with self._one:
            now = self._clock()
            if now >= self._renewed_at and now >= self._failed_until:
                await self._renew(now)
            if self._clock() < self._unusable_at:
                return self._token
        raise UpstreamUnavailableError(
            localized(
                "This server has no Google identity for the ticket API, because the metadata server gives none. "
                "Nothing was changed; try again in a moment. If it stays so, the operator must check "
                "MCP_API_GOOGLE_IDENTITY, which works on Google Cloud alone."
            )
        )

    def forget(self) -> None:
        """Fetch a new token for the next request: this one was refused."""
        self._renewed_at = self._unusable_at = float("-inf")

    async def aclose(self) -> None:
        """Close the connection to the metadata server."""
        await self._metadata.aclose()

    async def _renew(self, now: float) -> None:
        """Fetch a token; if that fails, keep the one in hand."""
        try:
            async with asyncio.timeout(_FETCH_S):
                token, expires_at = _read(await self._metadata.exchange(self._request))
            if expires_at - _SPARE_S <= now:
                raise _NoTokenError("expired")
        except (_NoTokenError, LostError, TimeoutError) as error:
            self._failed_until = now + _PAUSE_S
            self._renewed_at = min(now + _AGAIN_S, self._unusable_at)
            log.error("google_identity_failed", reason=str(error) or type(error).__name__)
        else:
            self._token, self._unusable_at = token, expires_at - _SPARE_S
            self._renewed_at = min(max(expires_at - _EARLY_S, now + _AGAIN_S), self._unusable_at)


class _IdentifiedTransport:
    """Sends the requests of `transport`, which it closes, with a token of `identity`, which is shared with others."""

    def __init__(self, transport: ApiTransport, identity: GoogleIdentity) -> None:
        self._transport = transport
        self._identity = identity

    async def exchange(self, request: Request) -> Received:
        """Do as `ApiTransport` promises.

        Raises:
            UpstreamUnavailableError: there is no token; nothing was sent.
            UpstreamRefusedError: Cloud Run did not let the request through to the ticket API.
        """
        headers = {**request.headers, HEADER: f"Bearer {await self._identity.token()}"}
        received = await self._transport.exchange(request._replace(headers=headers))
        if received.status in {401, 403} and is_page(received.body, received.headers.get("content-type", "")):
            self._identity.forget()
            log.error("api_refused_our_identity", status=received.status, role="roles/run.invoker")
            raise UpstreamRefusedError(
                localized(
                    "Cloud Run does not let this server through to the ticket API (HTTP {status}). Nothing was "
                    "changed; the operator must grant the service account of this server the role roles/run.invoker "
                    "on the service of the ticket API.",
                    status=received.status,
                )
            )
        return received

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()


def _origin(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}"


def _read(received: Received) -> tuple[str, float]:
    """Return a token and when it expires. Raises: _NoTokenError."""
    if received.status != 200:
        raise _NoTokenError(f"HTTP {received.status}")
    if received.headers.get("metadata-flavor") != "Google":
        raise _NoTokenError("something else answers as the metadata server")
    if len(received.body) > _LONGEST:
        raise _NoTokenError("too long")
    token = received.body.decode("ascii", "replace").strip()
    parts = _TOKEN.fullmatch(token)
    try:
        claims = json.loads(base64.urlsafe_b64decode(f"{parts[1]}==")) if parts else {}
        return token, float(claims["exp"])
    except (ValueError, TypeError, KeyError):
        raise _NoTokenError("not a token") from None
