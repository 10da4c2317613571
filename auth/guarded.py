"""Stands in front of whatever checks keys: slows down who guesses, and has refusals audited."""

import hmac
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Final

from starlette.requests import HTTPConnection

from auth.address import client_address, network_of
from auth.guesses import Guesses
from auth.keys import parse
from auth.providers import presented_key
from auth.remembered import Recent
from shared.audit import AuditEvent, AuditTrail
from shared.identity import AuthenticationError, AuthProvider, Principal
from shared.sparing import SparingTrail

MOST_ADDRESSES: Final = 1_000
"""Whose refusals are told apart in the audit; all others are `elsewhere`."""
RIGHT_FOR_S: Final = 3600.0
"""How long a key that was right may be presented from an address that has no guesses left."""
MOST_RIGHT: Final = 10_000


class GuardedAuthProvider(AuthProvider):
    """Lets an address guess `Guesses.AT_ONCE` keys and then few, with any provider of keys behind it.

    A key that was right within the last hour is checked even when its address has no guesses left, so that one who
    guesses does not lock out colleagues behind the same address; it is still checked, so a revoked one is refused.
    Wants `run` around it, else refusals beyond the first are not audited.

    Args:
        inner: checks the keys.
        trail: is told of refusals.
        trusted_proxies: how many proxies of our own stand in front (`X-Forwarded-For`); 0 for none.
        seconds: a clock that never goes back.
    """

    def __init__(
        self,
        inner: AuthProvider,
        *,
        trail: AuditTrail,
        trusted_proxies: int = 0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._inner = inner
        self._trusted_proxies = trusted_proxies
        self._seconds = seconds
        self._guesses = Guesses(seconds=seconds)
        self._refusals = SparingTrail(trail, most=MOST_ADDRESSES, clock=seconds)
        self._blind = secrets.token_bytes(32)
        self._right: Recent[bytes, float] = Recent(MOST_RIGHT)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Have refusals audited that were only counted, and what is left at the end."""
        async with self._refusals.run():
            yield

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return whoever the inner provider says it is.

        Raises:
            AuthenticationError: what the inner provider raises; (429) this address guessed too often, and the key was
                not looked at.
        """
        text = presented_key(request)
        if text is None:
            return await self._inner.authenticate(request)
        address = client_address(request, self._trusted_proxies)
        # Found by a digest that nobody outside can compute: how long the search takes tells nothing about any key.
        mark = hmac.digest(self._blind, text.encode(), sha256)
        try:
            if self._was_right(mark):
                principal = await self._inner.authenticate(request)
            else:
                async with self._guesses.attempt(network_of(address)):
                    principal = await self._inner.authenticate(request)
        except AuthenticationError as error:
            if error.status in _AUDITED:
                self._right.forget(mark)
                await self._audit(address, _AUDITED[error.status], text)
            raise
        self._right.put(mark, self._seconds())
        return principal

    async def _audit(self, address: str, what: str, text: str) -> None:
        """Record a refusal, with the public part of a key that has the form of one."""
        key = parse(text)
        event = AuditEvent(
            action="authenticate",
            outcome="unauthenticated",
            credential=key.public_id if key is not None else "",
            detail=f"{what} from {address}",
        )
        await self._refusals.record((address, what), event)

    async def is_still_valid(self, principal: Principal) -> bool:
        """Ask the inner provider."""
        return await self._inner.is_still_valid(principal)

    def _was_right(self, mark: bytes) -> bool:
        right_at = self._right.get(mark)
        return right_at is not None and self._seconds() - right_at < RIGHT_FOR_S


_AUDITED: Final = {401: "wrong key", 429: "too many wrong keys"}
