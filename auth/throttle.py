"""Wraps an AuthProvider: throttles client addresses that present wrong keys, and audits refusals."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from starlette.requests import HTTPConnection

from auth.presented import presented_keys
from auth.store.key_format import parse
from shared.audit import AuditTrail
from shared.failed_attempts import FailedAttempts, TooManyFailuresError
from shared.http.address import client_address
from shared.identity import AuthenticationError, AuthProvider, Principal


class ThrottledAuthProvider(AuthProvider):
    """Throttles failed authentications of any provider that checks keys, by the rules of `shared.failed_attempts`.

    A key that the provider recognises is not an attempt and goes straight through. Use inside `run()`, else refusals
    beyond the first are not audited.

    Args:
        inner: checks the keys.
        trail: records refusals.
        trusted_proxies: how many reverse proxies of this deployment are in front (`X-Forwarded-For`); 0 for none.
        what: the kind of key, as the audit names it.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        inner: AuthProvider,
        *,
        trail: AuditTrail,
        trusted_proxies: int = 0,
        what: str = "key",
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._trusted_proxies = trusted_proxies
        self._attempts = FailedAttempts(_is_wrong_key, trail=trail, what=what, seconds=seconds)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Audit refusals that were only counted, and the rest at the end."""
        async with self._attempts.run():
            yield

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal that the inner provider returns.

        Raises:
            AuthenticationError: what the inner provider raises; (429) too many wrong keys came from this address, so
                the key was not checked.
        """
        keys = presented_keys(request)
        if not keys:
            return await self._inner.authenticate(request)
        if len(keys) == 1 and (owner := self._inner.recognised(keys[0])) is not None:
            return owner
        address = client_address(request, self._trusted_proxies)
        credential = next((key.public_id for key in map(parse, keys) if key is not None), "")
        try:
            async with self._attempts.attempt(address, *keys, credential=credential):
                return await self._inner.authenticate(request)
        except TooManyFailuresError as error:
            raise AuthenticationError(str(error), status=429, retry_after_s=error.retry_after_s) from error

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the inner provider."""
        return await self._inner.is_still_valid(principal)


def _is_wrong_key(error: Exception) -> bool:
    return isinstance(error, AuthenticationError) and error.status == 401
