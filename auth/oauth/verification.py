"""Verifies access tokens (JWT) of the configured issuers."""

import time
from collections.abc import Callable, Collection

from auth.oauth.fetcher import GuardedFetcher
from auth.oauth.tokens import VerifiedToken


class TokenVerifier:
    """Verifies tokens of `issuers`; what was verified is remembered for a while. Close it with `aclose`.

    Args:
        issuers: their URLs, exactly as the claim `iss` spells them.
        fetcher: fetches the metadata and the keys of the issuers.
        clock: Unix time.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        issuers: Collection[str],
        fetcher: GuardedFetcher,
        *,
        clock: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        raise NotImplementedError

    async def verify(self, token: str) -> VerifiedToken:
        """Return what `token` says.

        Raises:
            InvalidTokenError: (401) it is not valid.
            IssuerUnavailableError: (503) the keys of its issuer cannot be fetched.
        """
        raise NotImplementedError

    async def aclose(self) -> None:
        """End the fetches in flight."""
        raise NotImplementedError
