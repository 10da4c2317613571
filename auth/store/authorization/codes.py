"""Authorization codes: random, for one minute, found by their digests; `Grants.begin` consumes them."""

import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import insert, select

from auth.store.authorization.bounds import check_storable, make_room, prune
from auth.store.authorization.records import Authorization, CodeRecord
from auth.store.authorization.rows import authorization_of, columns_of
from auth.store.authorization.sign_ins import digest_of
from auth.store.authorization.tables import authorization_codes
from auth.store.transactions import AuditedTransactions

GRANT_ID: Final = "grt_"
LIFE: Final = timedelta(seconds=60)
KEPT: Final = timedelta(hours=1)
"""How long an expired code is remembered, so that a replay is recognised."""
MOST_OF_USER: Final = 20
"""How many codes of one user are remembered; a new one displaces the oldest."""


class Codes:
    """Issues and finds authorization codes. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def issue(self, authorization: Authorization, *, code_challenge: str) -> str:
        """Return a new code of 256 random bits for what a person allowed.

        `code_challenge` is the S256 one of the client (RFC 7636, section 4.2).

        Raises:
            InvalidInputError: the redirect URI or another text is too long to be stored.
        """
        code, c = secrets.token_urlsafe(32), authorization_codes.c
        values = {**columns_of(authorization), "code_challenge": code_challenge}
        check_storable(authorization_codes, **values)
        async with self._transactions.changing() as change:
            await prune(change.connection, c.digest, c.expires_at <= change.now - KEPT)
            mine = c.user_id == authorization.user
            await make_room(change.connection, c.digest, mine, first=(c.expires_at,), limit=MOST_OF_USER)
            await change.connection.execute(
                insert(authorization_codes).values(
                    digest=digest_of(code),
                    grant_id=GRANT_ID + secrets.token_hex(8),
                    expires_at=change.now + LIFE,
                    **values,
                )
            )
        return code

    async def get(self, code: str) -> CodeRecord | None:
        """Return a code without consuming it, also if it was used or has expired lately; None if it is unknown."""
        query = select(authorization_codes).where(authorization_codes.c.digest == digest_of(code))
        async with self._transactions.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        if row is None:
            return None
        return CodeRecord(
            grant_id=row["grant_id"],
            authorization=authorization_of(row),
            code_challenge=row["code_challenge"],
            expires_at=row["expires_at"],
            used_at=row["used_at"],
        )
