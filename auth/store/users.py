"""Users, and their roles in tenants."""

import secrets

from sqlalchemy import ColumnElement, RowMapping, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from auth import validation
from auth.store import queries
from auth.store.authorization.grants import end_in_tenant
from auth.store.authorization.tables import OPEN, invitations
from auth.store.errors import AlreadyExistsError
from auth.store.records import MembershipRecord, UserRecord
from auth.store.tables import memberships, users
from auth.store.transactions import AuditedChange, AuditedTransactions, switch
from shared.identity import Role


class Users:
    """Adds, changes and lists users. Every change is audited. All methods raise: DatabaseBusyError.

    `who` is an e-mail address or an id (`usr_…`).
    """

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def add(self, email: str, *, name: str | None = None) -> UserRecord:
        """Add a user, who is not yet a member of any tenant; the name defaults to the address.

        Raises:
            InvalidInputError: the address or the name is invalid.
            AlreadyExistsError: another user has the address.
        """
        async with self._transactions.changing() as change:
            return _user(await insert_user(change, email, name))

    async def all(self) -> list[UserRecord]:
        """Return every user, by address."""
        async with self._transactions.reading() as connection:
            return [_user(row) for row in (await connection.execute(select(users).order_by(users.c.email))).mappings()]

    async def disable(self, who: str) -> UserRecord:
        """Disable the user in every tenant. Raises: UnknownUserError."""
        return await self._switch(who, on=False)

    async def enable(self, who: str) -> UserRecord:
        """Enable the user again. Raises: UnknownUserError."""
        return await self._switch(who, on=True)

    async def _switch(self, who: str, *, on: bool) -> UserRecord:
        async with self._transactions.changing() as change:
            row = await queries.user(change.connection, who)
            await switch(change, users, row, "user", on=on)
            return _user(await queries.user(change.connection, row["id"]))


class Memberships:
    """Sets, removes and lists memberships. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def set(
        self, who: str, tenant: str, *, role: str | None = None, ticket_user: str | None = None
    ) -> MembershipRecord:
        """Make a user a member of a tenant, or change their membership; without a role, they keep theirs.

        `ticket_user` is the id of the user of the ticket system they write as; None keeps the current one, an empty
        text removes it: they are then matched by e-mail address.

        Raises:
            InvalidInputError: there is no such role.
            UnknownUserError, UnknownTenantError: there is no such user or tenant.
            UnknownMembershipError: no role is given, and they are not a member.
        """
        as_role, given = None if role is None else validation.role(role), {}
        if ticket_user is not None:
            given["ticket_user"] = validation.ticket_user(ticket_user)
        async with self._transactions.changing() as change:
            row = await queries.user(change.connection, who)
            await queries.tenant(change.connection, tenant)
            as_role = as_role or await queries.role_of_member(change.connection, row, tenant)
            await put_membership(change, row, tenant, as_role, **given)
            [member] = await _members(
                change.connection, memberships.c.user_id == row["id"], memberships.c.tenant_id == tenant
            )
            return member

    async def remove(self, who: str, tenant: str) -> None:
        """End a membership; the user's credentials for the tenant are refused from now on.

        Sign-ins end for good: who becomes a member again signs in again. Raises: UnknownError.
        """
        async with self._transactions.changing() as change:
            row = await queries.user(change.connection, who)
            await queries.tenant(change.connection, tenant)
            await queries.role_of_member(change.connection, row, tenant)
            await end_in_tenant(change, row["id"], tenant, because="membership removed")
            mine = (memberships.c.user_id == row["id"]) & (memberships.c.tenant_id == tenant)
            await change.connection.execute(delete(memberships).where(mine))
            change.record("membership_removed", tenant=tenant, what=row["id"])
            await _withdraw_invitation(change, row["email"], tenant)

    async def all(self, *, tenant: str | None = None) -> list[MembershipRecord]:
        """Return the members of one tenant or of all, by tenant and address. Raises: UnknownTenantError."""
        async with self._transactions.reading() as connection:
            if tenant is None:
                return await _members(connection)
            await queries.tenant(connection, tenant)
            return await _members(connection, memberships.c.tenant_id == tenant)


async def insert_user(change: AuditedChange, email: str, name: str | None = None) -> RowMapping:
    """Store a new user and return the row. Raises: InvalidInputError, AlreadyExistsError."""
    address, user_id = validation.email(email), queries.USER_ID + secrets.token_hex(8)
    values = {"id": user_id, "email": address, "name": validation.label(name or address), "created_at": change.now}
    try:
        await change.connection.execute(insert(users).values(**values))
    except IntegrityError as error:
        raise AlreadyExistsError(f"The user {address!r} already exists.") from error
    change.record("user_added", what=user_id)
    return await queries.user(change.connection, user_id)


async def put_membership(change: AuditedChange, user: RowMapping, tenant: str, role: Role, **more: str | None) -> None:
    """Make a user a member of a tenant with `role`; of an existing membership, only the given fields change."""
    is_now = {"role": role.value, **more}
    upsert = postgresql.insert if change.connection.dialect.name == "postgresql" else sqlite.insert
    put = upsert(memberships).values(user_id=user["id"], tenant_id=tenant, created_at=change.now, **is_now)
    await change.connection.execute(put.on_conflict_do_update(index_elements=["user_id", "tenant_id"], set_=is_now))
    change.record("membership_set", tenant=tenant, what=user["id"], detail=role.value)


async def join(change: AuditedChange, user: str, tenant: str, role: Role) -> None:
    """Make the user with that id a member with `role`; an existing membership stays as it is, also its role."""
    insert_new = postgresql.insert if change.connection.dialect.name == "postgresql" else sqlite.insert
    new = insert_new(memberships).values(user_id=user, tenant_id=tenant, created_at=change.now, role=role.value)
    if (await change.connection.execute(new.on_conflict_do_nothing())).rowcount:
        change.record("membership_set", tenant=tenant, what=user, detail=role.value)


async def _withdraw_invitation(change: AuditedChange, email: str, tenant: str) -> None:
    """Withdraw an invitation from before: it would bring the user back at the next sign-in."""
    mine = (invitations.c.email == email) & (invitations.c.tenant_id == tenant)
    withdraw = update(invitations).where(mine, OPEN).values(withdrawn_at=change.now)
    for invitation in await change.connection.scalars(withdraw.returning(invitations.c.id)):
        change.record("invitation_withdrawn", tenant=tenant, what=invitation, detail=email)


async def _members(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[MembershipRecord]:
    query = (
        select(memberships, users.c.email)
        .join_from(memberships, users)
        .where(*conditions)
        .order_by(memberships.c.tenant_id, users.c.email)
    )
    return [
        MembershipRecord(
            tenant=row["tenant_id"],
            user=row["user_id"],
            email=row["email"],
            role=Role(row["role"]),
            ticket_user=row["ticket_user"],
            created_at=row["created_at"],
        )
        for row in (await connection.execute(query)).mappings()
    ]


def _user(row: RowMapping) -> UserRecord:
    return UserRecord(**row)
