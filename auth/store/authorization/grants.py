"""Grants: what people allowed the installations of clients, and the refresh tokens of each, in generations.

The newest token of a grant is exchanged for its successor. The one before stays valid until the newest is used, so a
client that lost a race or an answer gets the very same successor again. An older one is a replay and revokes the grant.
A grant ends 60 days after its last refresh. A user has at most 20 with one client and 100 in all, ended ones included;
a new one displaces an ended one, or the one that was not used for the longest time.
Source: OAuth 2.1, section 4.3.1 (rotation); RFC 9700, section 4.14.2.
"""

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth.store import queries
from auth.store.authorization.bounds import prune
from auth.store.authorization.records import Authorization, GrantRecord, LiveGrant
from auth.store.authorization.refresh_tokens import parse, refresh_token
from auth.store.authorization.rows import authorization_of, columns_of, with_membership
from auth.store.authorization.sign_ins import digest_of
from auth.store.authorization.tables import authorization_codes, grants, oauth_clients
from auth.store.errors import UnknownGrantError
from auth.store.peppers import Secrets
from auth.store.tables import users
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.errors import InvalidInputError
from shared.identity import Role

LIFE: Final = timedelta(days=60)
MOST_OF_CLIENT: Final = 20
"""How many grants of one user with one client are kept: all installations of some clients share one id."""
MOST_OF_USER: Final = 100
USE_NOTED_EVERY: Final = timedelta(days=1)


class RefreshFault(StrEnum):
    """Why a refresh token is refused."""

    UNKNOWN = "unknown"
    """It was not issued here, or to another client; nothing was changed."""
    REPLAYED = "replayed"
    """Its successor was used already: its grant was revoked now."""
    ENDED = "ended"
    """Its grant was revoked or has expired, or its user has no access any more."""


@dataclass(frozen=True, slots=True)
class IssuedGrant:
    """A grant and its newest refresh token, which is stored nowhere."""

    grant: LiveGrant
    refresh_token: str = field(repr=False)


class Grants:
    """Begins, refreshes, lists and revokes grants, the same on every instance. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions, secrets: Secrets) -> None:
        self._transactions = transactions
        self._secrets = secrets

    async def begin(self, code: str) -> IssuedGrant | None:
        """Consume a code, and begin the grant that it stands for, in one transaction; audited.

        None if the code is unknown, was used already or has expired, or if its user has no access to the tenant any
        more; nothing is changed then. Of several callers at once, one gets the grant. Whether client, redirect URI,
        resource and verifier match the code is for the caller to check before.
        """
        mine = authorization_codes.c.digest == digest_of(code)
        query = with_membership(authorization_codes).where(mine).with_for_update(of=authorization_codes)
        async with self._transactions.changing() as change:
            row = (await change.connection.execute(query)).mappings().one_or_none()
            if row is None or row["used_at"] is not None or row["expires_at"] <= change.now:
                return None
            if not row["is_admitted"] or row["role"] is None:
                return None
            await change.connection.execute(update(authorization_codes).where(mine).values(used_at=change.now))
            return await self._insert(change, row)

    async def refresh(self, token: str, *, client_id: str) -> IssuedGrant | RefreshFault:
        """Exchange a refresh token for its successor, and prolong the grant.

        Callers with the same token at once all get the same successor. A replay revokes the grant once and is audited.
        A token with a wrong MAC, or of another client, changes nothing and opens no transaction that writes.
        """
        parsed, known = parse(token), await self.find(token)
        if parsed is None or known is None or known.authorization.client_id != client_id:
            return RefreshFault.UNKNOWN
        mine = grants.c.id == parsed.grant_id
        async with self._transactions.changing() as change:
            query = with_membership(grants).where(mine).with_for_update(of=grants)
            row = (await change.connection.execute(query)).mappings().one_or_none()
            if row is None or _is_ended(row, change.now):
                return RefreshFault.ENDED
            if parsed.generation < row["generation"] - 1:
                await end(change, mine, because="replay")
                return RefreshFault.REPLAYED
            live = _live(row, change.now)
            if not live.is_on or live.role is None:
                return RefreshFault.ENDED
            # A generation above the stored one was issued before a database lost its last changes: it is the newest.
            generation = parsed.generation + 1
            values = {"generation": generation, "last_used_at": change.now, "expires_at": change.now + LIFE}
            await change.connection.execute(update(grants).where(mine).values(**values))
            await _note_use(change, client_id)
            return IssuedGrant(live, refresh_token(live.id, generation, row["seed"], self._secrets))

    async def find(self, token: str) -> GrantRecord | None:
        """Return the grant of a refresh token of any generation, also if it ended; None if the token is not genuine."""
        parsed = parse(token)
        if parsed is None:
            return None
        async with self._transactions.reading() as connection:
            row = await _row(connection, parsed.grant_id)
        return None if row is None or not parsed.is_genuine(row["seed"], self._secrets) else _record(row)

    async def live(self, grant_id: str) -> LiveGrant | None:
        """Return a grant with what its user may do now, in one statement; None if it is unknown."""
        async with self._transactions.reading() as connection:
            row = await _row(connection, grant_id)
        return None if row is None else _live(row, self._transactions.clock())

    async def one(self, grant_id: str) -> GrantRecord:
        """Return a grant. Raises: UnknownGrantError."""
        async with self._transactions.reading() as connection:
            row = await _row(connection, grant_id)
        if row is None:
            raise UnknownGrantError(grant_id)
        return _record(row)

    async def all(
        self, *, tenant: str | None = None, user: str | None = None, client_id: str | None = None
    ) -> list[GrantRecord]:
        """Return the grants of a tenant, a user and a client, or all, by user and age; revoked ones until they expire.

        Raises:
            UnknownTenantError, UnknownUserError: there is no such tenant or user.
        """
        async with self._transactions.reading() as connection:
            which = await _which(connection, tenant=tenant, user=user, client_id=client_id)
            which.append(grants.c.expires_at > self._transactions.clock())
            query = with_membership(grants).where(*which).order_by(users.c.email, grants.c.created_at, grants.c.id)
            return [_record(row) for row in (await connection.execute(query)).mappings()]

    async def revoke(self, grant_id: str, *, because: str) -> bool:
        """Revoke a grant, audited; return whether it had not ended yet. `because` has at most 40 characters."""
        async with self._transactions.changing() as change:
            return bool(await end(change, grants.c.id == grant_id, because=because))

    async def revoke_all(
        self,
        *,
        user: str | None = None,
        client_id: str | None = None,
        redirect_uri: str | None = None,
        tenant: str | None = None,
        because: str,
    ) -> int:
        """Revoke all grants that match every argument given, each audited; return how many had not ended yet.

        All installations of a client with a metadata document share its id: to revoke one, give the redirect URI, too,
        or its grant to `revoke`.

        Raises:
            InvalidInputError: nothing is given.
            UnknownTenantError, UnknownUserError: there is no such tenant or user.
        """
        async with self._transactions.changing() as change:
            which = await _which(
                change.connection, tenant=tenant, user=user, client_id=client_id, redirect_uri=redirect_uri
            )
            if not which:
                raise InvalidInputError("Say whose grants to revoke: of a user, a client, a redirect URI or a tenant.")
            return await end(change, *which, because=because)

    async def _insert(self, change: AuditedChange, row: RowMapping) -> IssuedGrant:
        """Store the grant of a code with the first refresh token."""
        authorization, grant_id, seed = authorization_of(row), row["grant_id"], secrets.token_urlsafe(32)
        await _make_room(change, authorization)
        await change.connection.execute(
            insert(grants).values(
                id=grant_id,
                seed=seed,
                generation=1,
                created_at=change.now,
                last_used_at=change.now,
                expires_at=change.now + LIFE,
                **columns_of(authorization),
            )
        )
        by = authorization.user
        change.record("grant_added", tenant=authorization.tenant, what=grant_id, detail=authorization.client_id, by=by)
        await prune(change.connection, grants.c.id, grants.c.expires_at <= change.now)
        await _note_use(change, authorization.client_id)
        live = LiveGrant(
            id=grant_id,
            authorization=authorization,
            issuer=row["issuer"],
            email=row["email"],
            role=Role(row["role"]),
            ticket_user=row["ticket_user"],
            is_on=True,
        )
        return IssuedGrant(live, refresh_token(grant_id, 1, seed, self._secrets))


async def end(change: AuditedChange, *which: ColumnElement[bool], because: str) -> int:
    """Revoke the grants `which` have not ended yet, each audited; return how many."""
    going_on = (*which, grants.c.revoked_at.is_(None), grants.c.expires_at > change.now)
    query = select(grants.c.id, grants.c.tenant_id, grants.c.client_id).where(*going_on)
    rows = (await change.connection.execute(query.order_by(grants.c.id).with_for_update())).all()
    for row in rows:
        values = {"revoked_at": change.now, "revoked_because": because}
        await change.connection.execute(update(grants).where(grants.c.id == row.id).values(**values))
        change.record("grant_revoked", tenant=row.tenant_id, what=row.id, detail=f"{because}; {row.client_id}")
    return len(rows)


async def end_in_tenant(change: AuditedChange, user: str, tenant: str, *, because: str) -> None:
    """Revoke the grants of a user in a tenant, and delete the codes from which more could begin."""
    codes = authorization_codes.c
    await change.connection.execute(delete(authorization_codes).where(codes.user_id == user, codes.tenant_id == tenant))
    await end(change, grants.c.user_id == user, grants.c.tenant_id == tenant, because=because)


async def _make_room(change: AuditedChange, authorization: Authorization) -> None:
    """Delete grants of the user until one more is within the limits: ended ones first, then by their last use.

    Locks the user, so that limits hold for several that begin at once.
    """
    user = authorization.user
    await change.connection.execute(select(users.c.id).where(users.c.id == user).with_for_update(key_share=True))
    query = select(grants).where(grants.c.user_id == user).order_by(grants.c.id).with_for_update()
    rows = (await change.connection.execute(query)).mappings().all()
    kept = kept_of_client = 0
    for row in sorted(rows, key=lambda row: (not _is_ended(row, change.now), row["last_used_at"]), reverse=True):
        is_of_client = row["client_id"] == authorization.client_id
        if kept < MOST_OF_USER - 1 and (not is_of_client or kept_of_client < MOST_OF_CLIENT - 1):
            kept, kept_of_client = kept + 1, kept_of_client + is_of_client
            continue
        await end(change, grants.c.id == row["id"], because="displaced")
        await change.connection.execute(delete(grants).where(grants.c.id == row["id"]))


async def _note_use(change: AuditedChange, client_id: str) -> None:
    """Record that a client is used, once a day: many users share one. The last statement, for the order of locks."""
    c = oauth_clients.c
    unnoted = (c.last_used_at <= change.now - USE_NOTED_EVERY) | (c.last_used_at == c.created_at)
    await change.connection.execute(
        update(oauth_clients).where(c.id == client_id, unnoted).values(last_used_at=change.now)
    )


async def _row(connection: AsyncConnection, grant_id: str) -> RowMapping | None:
    query = with_membership(grants).where(grants.c.id == grant_id)
    return (await connection.execute(query)).mappings().one_or_none()


async def _which(
    connection: AsyncConnection,
    *,
    tenant: str | None,
    user: str | None,
    client_id: str | None,
    redirect_uri: str | None = None,
) -> list[ColumnElement[bool]]:
    """Raises: UnknownTenantError, UnknownUserError."""
    if tenant is not None:
        await queries.tenant(connection, tenant)
    user_id = None if user is None else (await queries.user(connection, user))["id"]
    c = grants.c
    given = ((c.tenant_id, tenant), (c.user_id, user_id), (c.client_id, client_id), (c.redirect_uri, redirect_uri))
    return [column == value for column, value in given if value is not None]


def _is_ended(row: RowMapping, now: datetime) -> bool:
    return row["revoked_at"] is not None or row["expires_at"] <= now


def _live(row: RowMapping, now: datetime) -> LiveGrant:
    return LiveGrant(
        id=row["id"],
        authorization=authorization_of(row),
        issuer=row["issuer"],
        email=row["email"],
        role=None if row["role"] is None else Role(row["role"]),
        ticket_user=row["ticket_user"],
        is_on=bool(row["is_admitted"]) and not _is_ended(row, now),
    )


def _record(row: RowMapping) -> GrantRecord:
    return GrantRecord(
        id=row["id"],
        authorization=authorization_of(row),
        email=row["email"],
        generation=row["generation"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        revoked_because=row["revoked_because"],
    )
