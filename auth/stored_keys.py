"""Keys of the identity store: a key authenticates its user or service account, with its owner's current role.

A lookup by public id is cached for `cache_s` seconds, and the secret is compared with it; while that very lookup is
cached, the same key is recognised without another comparison. So a revocation, a disabled owner, a changed role or an
ended membership takes effect everywhere within that time.

While the store does not respond, keys with a cached lookup keep working and all others are refused with 503.
An open stream survives for 5 minutes after its key was last known to be valid: it only carries responses to requests
that were authenticated one by one, and a database restart must not end every stream of a deployment at once.
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final, NamedTuple

from sqlalchemy.exc import SQLAlchemyError

from auth.cache import CACHE_S, MOST_ANSWERS, STREAM_OUTAGE_S, SingleFlightCache
from auth.providers import KeyAuthProvider, wrong_key
from auth.store import IdentityStore
from auth.store.credentials import Use
from auth.store.errors import StoreUnavailableError
from auth.store.key_format import parse
from auth.store.peppers import Digest, Secrets
from auth.store.records import StoredKey
from shared.blind_cache import BlindCache
from shared.client_habits import ClientHabits
from shared.errors import TicketServerError
from shared.identity import SCOPES_OF, AuthenticationError, Principal, Tenant
from shared.periodic import periodic_task
from shared.telemetry import get_logger

log = get_logger(__name__)

NOTED_EVERY_S: Final = 60.0
MOST_USES: Final = 5_000


class _ProvedKey(NamedTuple):
    """A key whose secret matched that of `stored`, and its owner."""

    stored: StoredKey
    owner: Principal


class StoredKeyAuthProvider(KeyAuthProvider):
    """Authenticates holders of valid keys of the identity store. Use inside `run()`, else key uses are not recorded.

    Args:
        store: an open store; its owner closes it after this provider has stopped.
        secrets: the same as those of the store.
        cache_s: how long a key lookup is cached, in seconds.
        habits: see `KeyAuthProvider`.
        seconds: a monotonic clock.
    """

    def __init__(
        self,
        store: IdentityStore,
        secrets: Secrets,
        *,
        cache_s: float = CACHE_S,
        habits: ClientHabits | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(habits)
        self._store = store
        self._secrets = secrets
        self._clock = store.clock
        self._cache_s = cache_s
        self._keys = SingleFlightCache(store.credentials.key, life_s=cache_s, seconds=seconds)
        self._proved: BlindCache[_ProvedKey] = BlindCache(MOST_ANSWERS)
        self._used_at: dict[str, datetime] = {}
        self._outdated: dict[str, tuple[Digest, Digest]] = {}
        """The digests of used keys by an older pepper, and those by the current one."""

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Record uses of keys once a minute, and the rest at the end."""
        async with periodic_task(self.note_uses, name="note_key_uses", every_s=NOTED_EVERY_S, at_exit=self.note_uses):
            try:
                yield
            finally:
                await self._keys.join()

    async def owner_of(self, key: str) -> Principal:
        """Return the user or service account that owns the key.

        There is one comparison, of digests of equal length, and one refusal, whatever is wrong with the key.

        Raises:
            AuthenticationError: (401) it is not valid; (503) the identity store does not respond.
        """
        parsed = parse(key)
        stored = None if parsed is None else await self._stored(parsed.public_id)
        secret = key if parsed is None else parsed.secret
        if not self._secrets.matches(secret, None if stored is None else stored.digest) or stored is None:
            raise wrong_key(key)
        now = self._clock()
        principal = self._principal(stored, now)
        if principal is None:
            raise wrong_key(key)
        self._note_use(stored.public_id, now)
        if stored.digest.pepper_id == self._secrets.current_id:
            self._proved.put(key, _ProvedKey(stored, principal))
        elif stored.public_id in self._used_at:
            self._outdated[stored.public_id] = stored.digest, self._secrets.digest(secret)
        return principal

    def recognised(self, key: str) -> Principal | None:
        """Return the owner of a key that was proved by the lookup that is still cached, if it has not expired."""
        proved = self._proved.get(key)
        if proved is None:
            return None
        stored, now = proved.stored, self._clock()
        if self._keys.latest(stored.public_id, within_s=self._cache_s) is not stored or stored.expires_at <= now:
            return None
        self._note_use(stored.public_id, now)
        return proved.owner

    async def is_still_valid(self, principal: Principal) -> bool:
        """Return whether the key of `principal` would authenticate an equal principal now, role and scopes included."""
        try:
            stored = await self._keys.get(principal.credential)
        except StoreUnavailableError:
            stored = self._keys.latest(principal.credential, within_s=STREAM_OUTAGE_S)
        return stored is not None and self._principal(stored, self._clock()) == principal

    async def note_uses(self) -> None:
        """Write pending uses. Those the store does not accept are dropped; the next use is recorded again."""
        used_at, outdated = self._used_at, self._outdated
        if not used_at:
            return
        self._used_at, self._outdated = {}, {}
        uses = {public_id: Use(at, *outdated.get(public_id, ())) for public_id, at in used_at.items()}
        try:
            await self._store.credentials.note_uses(uses)
        except (TicketServerError, SQLAlchemyError, OSError) as error:
            log.warning("key_uses_not_noted", keys=len(uses), error=type(error).__name__)

    async def _stored(self, public_id: str) -> StoredKey | None:
        try:
            return await self._keys.get(public_id)
        except StoreUnavailableError as error:
            raise AuthenticationError(str(error), status=503, retry_after_s=1) from error

    def _principal(self, stored: StoredKey, now: datetime) -> Principal | None:
        """Return the principal the key authenticates now, or None."""
        if not stored.is_on or stored.role is None or stored.expires_at <= now:
            return None
        of_role = SCOPES_OF[stored.role]
        return Principal(
            id=stored.owner,
            tenant=Tenant(stored.tenant),
            scopes=of_role if stored.scopes is None else of_role & stored.scopes,
            proof="api_key",
            credential=stored.public_id,
            role=stored.role,
            email=stored.email,
            ticket_user=stored.ticket_user,
        )

    def _note_use(self, public_id: str, at: datetime) -> None:
        if public_id in self._used_at or len(self._used_at) < MOST_USES:
            self._used_at[public_id] = at
