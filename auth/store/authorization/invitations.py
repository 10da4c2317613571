"""Invitations: who has a verified e-mail address becomes a member of a tenant at the next sign-in.

There is at most one open invitation of an address into a tenant; inviting again renews it, so a link that was sent
stays right. `Admission` accepts them. The id is no secret: only an account with the verified address is admitted, not
every reader of the link.
"""

import re
import secrets
import shlex
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import RowMapping, Select, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from auth import validation
from auth.store import queries
from auth.store.authorization.errors import UnknownInvitationError
from auth.store.authorization.records import InvitationRecord, InvitationState
from auth.store.authorization.tables import OPEN, invitations
from auth.store.errors import AlreadyExistsError, NotUsableError
from auth.store.tables import memberships, tenants
from auth.store.transactions import AuditedChange, AuditedTransactions
from shared.command_lines import command_line
from shared.identity import Role

INVITATION_ID: Final = "inv_"
LIFE: Final = timedelta(days=14)
_ID: Final = re.compile(rf"{INVITATION_ID}[0-9a-f]{{32}}")


class Invitations:
    """Adds, withdraws and lists invitations. Every change is audited. All methods raise: DatabaseBusyError."""

    def __init__(self, transactions: AuditedTransactions) -> None:
        self._transactions = transactions

    async def add(self, email: str, tenant: str, *, role: str, life: timedelta = LIFE) -> InvitationRecord:
        """Invite an address into a tenant for `life`, or renew an open invitation with this role and lifetime.

        Raises:
            InvalidInputError: the address or the role is invalid, or the lifetime; only ASCII addresses sign in.
            UnknownTenantError: there is no such tenant.
            NotUsableError: the tenant, or the user with the address, is disabled.
            AlreadyExistsError: the user with the address is a member already, with whatever role.
        """
        address, as_role = validation.sign_in_email(email), validation.role(role)
        life = validation.invitation_life(life)
        async with self._transactions.changing() as change:
            await _lock(change.connection, tenant)
            await queries.usable_tenant(change.connection, tenant)
            await _refuse_who_needs_no_invitation(change.connection, address, tenant)
            is_now = {"role": as_role.value, "expires_at": change.now + life}
            mine = (invitations.c.email == address) & (invitations.c.tenant_id == tenant) & OPEN
            invitation: str | None = await change.connection.scalar(
                update(invitations).where(mine).values(is_now).returning(invitations.c.id)
            )
            action = "invitation_renewed"
            if invitation is None:
                invitation, action = INVITATION_ID + secrets.token_hex(16), "invitation_added"
                values = {"id": invitation, "email": address, "tenant_id": tenant, "created_at": change.now, **is_now}
                await change.connection.execute(insert(invitations).values(values))
            change.record(action, tenant=tenant, what=invitation, detail=f"{address}, {as_role.value}")
            return await self._one(change, invitation)

    async def get(self, invitation: str) -> InvitationRecord | None:
        """Return the invitation, whatever its state; None if it is unknown or its tenant is disabled."""
        if not _ID.fullmatch(invitation):
            return None
        query = _invitations().where(invitations.c.id == invitation, tenants.c.disabled_at.is_(None))
        async with self._transactions.reading() as connection:
            row = (await connection.execute(query)).mappings().one_or_none()
        return None if row is None else _record(row, self._transactions.clock())

    async def all(self, *, tenant: str | None = None) -> list[InvitationRecord]:
        """Return the invitations into one tenant or all, in any state, by tenant, address and age.

        Raises:
            UnknownTenantError: there is no such tenant.
        """
        query = _invitations().order_by(
            invitations.c.tenant_id, invitations.c.email, invitations.c.created_at, invitations.c.id
        )
        async with self._transactions.reading() as connection:
            if tenant is not None:
                await queries.tenant(connection, tenant)
                query = query.where(invitations.c.tenant_id == tenant)
            rows = (await connection.execute(query)).mappings().all()
        return [_record(row, self._transactions.clock()) for row in rows]

    async def withdraw(self, invitation: str) -> InvitationRecord:
        """End an invitation that was not accepted; one that is withdrawn already stays as it is.

        Raises:
            UnknownInvitationError: there is no such invitation.
            NotUsableError: it was accepted.
        """
        if not _ID.fullmatch(invitation):
            raise UnknownInvitationError(invitation)
        end = update(invitations).where(invitations.c.id == invitation, OPEN)
        async with self._transactions.changing() as change:
            result = await change.connection.execute(end.values(withdrawn_at=change.now))
            record = await self._one(change, invitation)
            if record.state is InvitationState.ACCEPTED:
                raise NotUsableError(
                    f"The invitation {invitation} was accepted. To end the membership, run "
                    f"`{command_line('auth')} membership remove {shlex.quote(record.email)} --tenant {record.tenant}`."
                )
            if result.rowcount:
                change.record("invitation_withdrawn", tenant=record.tenant, what=invitation, detail=record.email)
            return record

    async def _one(self, change: AuditedChange, invitation: str) -> InvitationRecord:
        """Raises: UnknownInvitationError."""
        query = _invitations().where(invitations.c.id == invitation)
        row = (await change.connection.execute(query)).mappings().one_or_none()
        if row is None:
            raise UnknownInvitationError(invitation)
        return _record(row, change.now)


async def _lock(connection: AsyncConnection, tenant: str) -> None:
    """Let other invitations into the tenant wait until the transaction ends, so that an address has one at most."""
    await connection.execute(select(tenants.c.id).where(tenants.c.id == tenant).with_for_update(key_share=True))


async def _refuse_who_needs_no_invitation(connection: AsyncConnection, address: str, tenant: str) -> None:
    """Raises: NotUsableError, AlreadyExistsError."""
    user = await queries.user_with_address(connection, address)
    if user is None:
        return
    run = command_line("auth")
    if user["disabled_at"] is not None:
        raise NotUsableError(f"{address} is disabled. Enable them first: `{run} user enable {user['id']}`.")
    mine = (memberships.c.user_id == user["id"]) & (memberships.c.tenant_id == tenant)
    role = await connection.scalar(select(memberships.c.role).where(mine))
    if role is not None:
        raise AlreadyExistsError(
            f"{address} is already a member of {tenant!r}, as {role}. To change the role, run "
            f"`{run} membership set {user['id']} --tenant {tenant} --role ROLE`."
        )


def _invitations() -> Select[tuple[object, ...]]:
    return select(invitations, tenants.c.name.label("tenant_name")).join_from(invitations, tenants)


def _record(row: RowMapping, now: datetime) -> InvitationRecord:
    return InvitationRecord(
        id=row["id"],
        email=row["email"],
        tenant=row["tenant_id"],
        tenant_name=row["tenant_name"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        accepted_at=row["accepted_at"],
        withdrawn_at=row["withdrawn_at"],
        state=_state(row, now),
    )


def _state(row: RowMapping, now: datetime) -> InvitationState:
    if row["accepted_at"] is not None:
        return InvitationState.ACCEPTED
    if row["withdrawn_at"] is not None:
        return InvitationState.WITHDRAWN
    return InvitationState.EXPIRED if row["expires_at"] <= now else InvitationState.PENDING
