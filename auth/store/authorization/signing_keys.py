"""The keys that sign access tokens, sealed in the identity store and shared by all instances.

New tokens are signed with the newest key. Its predecessor verifies for an hour after that, since its tokens are still
in use; instances that have not noticed or cannot read the newest one may sign with it for half an hour. The first key
is made when one is first asked for, and a new one if none can be read, because its secret is not configured any more.
Of instances that make a key at once, one succeeds and all use its key.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from joserfc.jwk import ECKey
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from auth.store.authorization.tables import signing_keys
from auth.store.peppers import Secrets
from auth.store.transactions import AuditedTransactions
from shared.telemetry import get_logger

log = get_logger(__name__)

CURVE: Final = "P-256"
"""Of ES256 (RFC 7518, section 3.4)."""
SIGNS_ON: Final = timedelta(minutes=30)
"""How long a superseded key may still sign: its tokens end before the key does."""
VERIFIES_ON: Final = timedelta(hours=1)
"""How long a superseded key verifies."""
_PURPOSE: Final = "signing key"


def opens(sealed: str, secrets: Secrets) -> bool:
    """Return whether a stored key can be read with `secrets`."""
    return secrets.unseal_text(sealed, _PURPOSE) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKeyRecord:
    """The part of a key that may be shown."""

    number: int
    key_id: str
    """The `kid` of tokens: the thumbprint of the public key (RFC 7638)."""
    created_at: datetime
    superseded_at: datetime | None
    """When the next one was made; None for the newest."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its `kid`. One that never ends has no successor."""

    key: ECKey = field(repr=False)
    superseded_at: datetime | None = None

    def signs(self, now: datetime) -> bool:
        """Return whether tokens may be signed with it."""
        return self.superseded_at is None or now < self.superseded_at + SIGNS_ON

    def verifies(self, now: datetime) -> bool:
        """Return whether tokens that it signed are accepted."""
        return self.superseded_at is None or now < self.superseded_at + VERIFIES_ON


class SigningKeys:
    """Makes, rotates and lists signing keys. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions, secrets: Secrets) -> None:
        self._transactions = transactions
        self._secrets = secrets

    async def all(self) -> list[SigningKeyRecord]:
        """Return the keys that are kept, the newest first."""
        return [record for record, _ in await self._stored()]

    async def usable(self) -> Sequence[SigningKey]:
        """Return the keys that verify now, the newest first. One of them may sign; if none may, a new one is made."""
        now, stored = self._transactions.clock(), await self._stored()
        keys = [*self._readable(stored, now)]
        if any(key.signs(now) for key in keys):
            return keys
        await self._add_after([record for record, _ in stored])
        return [*self._readable(await self._stored(), now)]

    async def rotate(self) -> SigningKeyRecord:
        """Make a key for new tokens, and return it.

        Of several callers at once, one makes the key and all return it. Keys that do not verify any more are deleted.
        """
        await self._add_after(await self.all())
        return (await self.all())[0]

    async def _add_after(self, known: Sequence[SigningKeyRecord]) -> None:
        """Add the successor of the keys that the caller knows, unless another caller has done so meanwhile."""
        key, number = new_key(), known[0].number + 1 if known else 1
        sealed = self._secrets.seal_text(key.as_pem(private=True).decode(), _PURPOSE)
        async with self._transactions.changing() as change:
            insert = postgresql.insert if change.connection.dialect.name == "postgresql" else sqlite.insert
            row = {"number": number, "key_id": key.kid, "sealed": sealed, "created_at": change.now}
            added = await change.connection.execute(insert(signing_keys).values(row).on_conflict_do_nothing())
            if added.rowcount:
                change.record("signing_key_added", what=str(key.kid), detail=f"number {number}")
            over = [
                record.number
                for record in known
                if record.superseded_at is not None and record.superseded_at + VERIFIES_ON <= change.now
            ]
            await change.connection.execute(delete(signing_keys).where(signing_keys.c.number.in_(over)))

    async def _stored(self) -> list[tuple[SigningKeyRecord, str]]:
        """Return the keys with their sealed texts, the newest first."""
        async with self._transactions.reading() as connection:
            query = select(signing_keys).order_by(signing_keys.c.number.desc())
            rows = (await connection.execute(query)).mappings().all()
        found = list[tuple[SigningKeyRecord, str]]()
        successor: datetime | None = None
        for row in rows:
            record = SigningKeyRecord(
                number=row["number"], key_id=row["key_id"], created_at=row["created_at"], superseded_at=successor
            )
            found.append((record, row["sealed"]))
            successor = row["created_at"]
        return found

    def _readable(self, stored: Iterable[tuple[SigningKeyRecord, str]], now: datetime) -> Iterator[SigningKey]:
        """Yield the keys that verify now and can be read."""
        for record, sealed in stored:
            pem = self._secrets.unseal_text(sealed, _PURPOSE)
            if pem is None:
                log.warning("signing_key_unreadable", key=record.key_id, hint="its secret is not in MCP_IDENTITY_KEYS")
                continue
            key = SigningKey(named(ECKey.import_key(pem)), record.superseded_at)
            if key.verifies(now):
                yield key


def new_key() -> ECKey:
    """Return a new private key."""
    return named(ECKey.generate_key(CURVE))


def named(key: ECKey) -> ECKey:
    """Return `key` with its thumbprint as its `kid`."""
    return ECKey.import_key({**key.as_dict(private=True), "kid": key.thumbprint()})
