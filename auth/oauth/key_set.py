"""The signing keys of one issuer (JWKS), fetched again when they are old or when none of them signed a token.

- Keys are looked for again `FRESH_S` after they were fetched, beside the requests. From `STALE_S` on, after a time
  without tokens, requests wait for that: a key that was withdrawn meanwhile is not used. While the issuer does not
  answer, the keys that are known go on working, until they are `MAX_AGE_S` old, and requests wait once in `AWAY_S`.
- A new key may have a name of its own, none, or that of its predecessor. A token names its key freely, so tokens that
  no known key signed cause at most one fetch in `REFETCH_S`; all who wait share it.

Sources: RFC 7517, sections 4 (4.5: keys of several kinds may share a name) and 5; OpenID Connect Core 1.0, section
10.1.1 (rotation).
"""

import asyncio
import math
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Final

from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import Key, import_key

from auth.oauth.fetcher import FetchError, GuardedFetcher
from auth.oauth.issuer_metadata import jwks_uri_of
from auth.oauth.tokens import IssuerUnavailableError
from shared.concurrency import finish
from shared.telemetry import get_logger

log = get_logger(__name__)

FRESH_S: Final = 600.0
STALE_S: Final = 2 * FRESH_S
MAX_AGE_S: Final = 24 * 3600.0
REFETCH_S: Final = 5.0
AWAY_S: Final = 60.0
"""How long an issuer that did not answer is not waited for where known keys do, in seconds."""
WAIT_S: Final = 6.0
"""How long a request waits for keys, in seconds; a fetch may take longer and helps those after it."""
MAX_KEYS: Final = 100
_KEY_TYPES: Final = ("RSA", "EC", "OKP")
"""Without `oct`: a public document has no secrets, so a key in it cannot be one for HS256."""


class IssuerKeys:
    """The keys of `issuer`. Close it with `aclose`.

    Args:
        issuer: its URL, exactly as its metadata and its tokens spell it.
        fetcher: fetches both documents.
        seconds: a monotonic clock.
    """

    def __init__(self, issuer: str, fetcher: GuardedFetcher, *, seconds: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetcher = fetcher
        self._seconds = seconds
        self._keys: Sequence[Key] = ()
        self._fetched_at = -math.inf
        self._tried_at = -math.inf
        self._failed_at = -math.inf
        self._task: asyncio.Task[None] | None = None

    async def signer(self, name: str | None, has_signed: Callable[[Key], bool]) -> Key | None:
        """Return the key that signed a token, or None.

        Args:
            name: what the header `kid` of the token names; without it, the only key there is is meant.
            has_signed: whether the token has the signature of a key.

        Raises:
            IssuerUnavailableError: there are no keys, or none that is meant, and the issuer does not answer.
        """
        await self._renewed()
        known = self._meant(name)
        if (key := next(filter(has_signed, known), None)) is None:
            await self._refetched(must_answer=not known)
            key = next((key for key in self._meant(name) if key not in known and has_signed(key)), None)
        return key

    async def aclose(self) -> None:
        """End a fetch in flight."""
        if self._task is not None:
            await finish(self._task, within_s=0)

    def _meant(self, name: str | None) -> Sequence[Key]:
        if name is None:
            return self._keys if len(self._keys) == 1 else ()
        return [key for key in self._keys if key.kid == name]

    async def _renewed(self) -> None:
        """See that the keys are not too old. Raises: IssuerUnavailableError."""
        now = self._seconds()
        age = now - self._fetched_at
        if age >= MAX_AGE_S:
            await self._refetched()
        elif age >= STALE_S and now - self._failed_at >= AWAY_S:
            await self._refetched(must_answer=False)
        elif age >= FRESH_S:
            self._begin()

    async def _refetched(self, *, must_answer: bool = True) -> None:
        """Wait until the keys are as new as they may be asked for. Raises: IssuerUnavailableError."""
        if (task := self._begin()) is not None:
            await asyncio.wait({task}, timeout=WAIT_S)
        if must_answer and self._fetched_at < self._tried_at:
            raise IssuerUnavailableError

    def _begin(self) -> asyncio.Task[None] | None:
        """Return the fetch in flight, or a new one; None if the last one is too recent."""
        if self._task is not None and not self._task.done():
            return self._task
        if self._seconds() - self._tried_at < REFETCH_S:
            return None
        self._tried_at = self._seconds()
        self._task = asyncio.create_task(self._fetch(self._tried_at))
        return self._task

    async def _fetch(self, began_at: float) -> None:
        try:
            document = await self._fetcher.json(await jwks_uri_of(self._issuer, self._fetcher))
            keys = signing_keys(document)
        except FetchError as error:
            self._failed_at = self._seconds()
            log.warning("issuer_keys_unavailable", issuer=self._issuer, reason=str(error))
            return
        if keys != self._keys:
            log.info("issuer_keys_changed", issuer=self._issuer, keys=len(keys))
        self._keys, self._fetched_at = keys, began_at


def signing_keys(document: object) -> Sequence[Key]:
    """Return the usable keys of a JWKS; those of other kinds and uses, and weak ones, are left out.

    Raises:
        FetchError: it has no usable key, or more than `MAX_KEYS`.
    """
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or len(found) > MAX_KEYS:
        raise FetchError(f"the keys are not a JWKS of at most {MAX_KEYS} keys")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SecurityWarning)  # for example of RSA keys with less than 2048 bits
        keys = [*_usable(found)]
    if not keys:
        raise FetchError("the JWKS has no key that is for signatures and supported")
    return keys


def _usable(found: Sequence[Any]) -> Iterator[Key]:
    for each in found:
        if isinstance(each, dict) and each.get("kty") in _KEY_TYPES and each.get("use", "sig") == "sig":
            with suppress(JoseError, SecurityWarning, ValueError, TypeError, KeyError):
                yield import_key(each)
