"""Fetches JSON documents from addresses that others named: discovery and keys of identity providers."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import httpcore2

from shared.errors import TicketServerError

MAX_BYTES: Final = 256 * 1024
FETCH_S: Final = 5.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host for a port. Raises: OSError."""


class FetchError(TicketServerError):
    """A document was not fetched; the text says why, for the log of the operator."""

    kind = "not_fetched"


class GuardedFetcher:
    """Fetches JSON by https from public addresses alone.

    Args:
        resolve: looks up a host; by default the system does.
        network: opens connections to addresses that were checked; by default to the network itself.
        ssl_context: trusted authorities; by default those of the system.
        allow_loopback: permit hosts on this machine as well, also by http. For development and tests.
        within_s: time limit of one document, in seconds.
    """

    def __init__(
        self,
        *,
        resolve: Resolve | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
        ssl_context: ssl.SSLContext | None = None,
        allow_loopback: bool = False,
        within_s: float = FETCH_S,
    ) -> None:
        raise NotImplementedError

    async def json(self, url: str, *, max_bytes: int = MAX_BYTES) -> object:
        """Return the JSON document at `url`. Raises: FetchError."""
        raise NotImplementedError
