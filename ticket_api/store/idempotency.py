"""Stores the response of a write, so that repeating it with the same `Idempotency-Key` does nothing twice.

The key is stored in the transaction of the write itself. A second request with the key waits at the insert until
the first has ended: after a commit it finds the response, after a rollback it does the work.
"""

import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import String, bindparam, select

from shared.storage.database import UTCDateTime
from shared.storage.write_check import write_and_undo
from ticket_api.errors import ApiConflictError
from ticket_api.store.connection import TenantConnection
from ticket_api.store.tables import idempotency_keys as keys

KEPT: Final = timedelta(hours=24)
SWEPT_AT_ONCE: Final = 100
_IS_THIS: Final = keys.c.key == bindparam("of_key", type_=String(200))
_IS_EXPIRED: Final = keys.c.created_at <= bindparam("expired", type_=UTCDateTime)
_KNOWN: Final = TenantConnection.select(keys).where(_IS_THIS)
_SETTLE: Final = TenantConnection.update(keys).where(_IS_THIS)
_FORGET: Final = TenantConnection.delete(keys).where(_IS_THIS, _IS_EXPIRED)
_OLDEST: Final = (
    TenantConnection.select(keys, keys.c.key)
    .where(_IS_EXPIRED)
    .order_by(keys.c.created_at)
    .limit(SWEPT_AT_ONCE)
    .with_for_update(skip_locked=True)
    .cte()  # PostgreSQL may run a plain subquery again for each row
)
_SWEEP: Final = TenantConnection.delete(keys).where(keys.c.key.in_(select(_OLDEST)))


def claim(db: TenantConnection, key: str, fingerprint: str, now: datetime) -> tuple[int, str] | None:
    """Claim `key` for this request, or return the status and body of the earlier response under it.

    Raises:
        ConflictError: the key was used for a different request within the last 24 hours.
    """
    _sweep(db, key, now)
    if db.add_if_new(keys, key=key, fingerprint=fingerprint, created_at=now):
        return None
    known = db.execute(_KNOWN, {"of_key": key}).one()
    if known.fingerprint != fingerprint:
        raise ApiConflictError(
            "This Idempotency-Key was already used for another request. Nothing was changed.", field="Idempotency-Key"
        )
    return known.status, known.answer


def settle(db: TenantConnection, key: str, status: int, answer: str) -> None:
    """Store the response of the request that claimed `key`."""
    db.execute(_SETTLE, {"of_key": key, "status": status, "answer": answer})


def write_and_take_back(db: TenantConnection, now: datetime) -> None:
    """Write as `claim` does and roll back, to check that it is possible. Raises: UndoneError: it is."""
    key = f"check-{secrets.token_hex(16)}"
    row = {"tenant_id": db.tenant, "key": key, "fingerprint": "", "created_at": now}
    write_and_undo(db.connection, lambda text: db.insert(keys).values(answer=text, **row))


def _sweep(db: TenantConnection, key: str, now: datetime) -> None:
    """Delete this key if expired, and a bounded number of others; rows locked by another sweep are skipped."""
    expired = {"expired": now - KEPT}
    db.execute(_SWEEP, expired)
    db.execute(_FORGET, {"of_key": key, **expired})
