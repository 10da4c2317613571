"""Sign-ins in progress: what is remembered between the approval of a client and the return from the provider."""

import json
import secrets
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import delete, insert, select

from auth.store.authorization.bounds import make_room, prune
from auth.store.authorization.tables import sign_ins
from auth.store.peppers import Secrets
from auth.store.transactions import AuditedTransactions

LIFE: Final = timedelta(minutes=10)
MOST: Final = 10_000
"""How many can be in progress; a new one displaces the oldest."""
_PURPOSE: Final = "sign-in"


class SignIns:
    """Keeps sign-ins by their `state`, each for one return, on any instance. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions, secrets: Secrets) -> None:
        self._transactions = transactions
        self._secrets = secrets

    async def begin(self, payload: Mapping[str, Any], *, life: timedelta = LIFE) -> str:
        """Keep `payload`, which JSON can express, encrypted for `life`; return the `state` that finds it once."""
        state = secrets.token_urlsafe(32)
        sealed = self._secrets.seal_text(json.dumps(payload), _PURPOSE)
        async with self._transactions.changing() as change:
            await prune(change.connection, sign_ins.c.digest, sign_ins.c.expires_at <= change.now)
            await make_room(change.connection, sign_ins.c.digest, first=(sign_ins.c.expires_at,), limit=MOST)
            values = {"digest": digest_of(state), "sealed": sealed, "expires_at": change.now + life}
            await change.connection.execute(insert(sign_ins).values(**values))
        return state

    async def take(self, state: str) -> Mapping[str, Any] | None:
        """Return the payload and forget it; None if `state` is unknown, was taken already or has expired.

        Of several callers at once, one gets it. An unknown `state` opens no transaction that writes, for which others
        would wait.
        """
        mine = sign_ins.c.digest == digest_of(state)
        query = select(sign_ins.c.sealed).where(mine, sign_ins.c.expires_at > self._transactions.clock())
        async with self._transactions.reading() as connection:
            if await connection.scalar(query) is None:
                return None
        async with self._transactions.changing() as change:
            sealed: str | None = await change.connection.scalar(query.with_for_update())
            await change.connection.execute(delete(sign_ins).where(mine))
        plain = None if sealed is None else self._secrets.unseal_text(sealed, _PURPOSE)
        if plain is None:
            return None
        payload: Mapping[str, Any] = json.loads(plain)
        return payload


def digest_of(text: str) -> str:
    """Return the digest by which a random text is found: SHA-256 as 64 hexadecimal digits."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
