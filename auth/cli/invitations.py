"""`python -m auth invite` and `invitation …`: whose e-mail address admits them at the next sign-in."""

from datetime import timedelta

import click

from auth.cli.context import LOSES, Linked, Operator, confirm, with_store
from auth.cli.keys import DurationParam
from auth.cli.users import ONE_TENANT, ROLE, TENANT
from auth.store import IdentityStore
from auth.store.authorization.invitations import LIFE
from auth.store.authorization.records import InvitationRecord


@click.command()
@click.argument("email")
@TENANT
@ROLE
@click.option(
    "--expires-in",
    "life",
    type=DurationParam("days"),
    default=str(LIFE.days),
    show_default=True,
    metavar="DAYS",
    help="How long it can be accepted, at most 90 days.",
)
@with_store
async def invite(store: IdentityStore, *, email: str, tenant: str, role: str, life: timedelta) -> Linked:
    """Invite an e-mail address into a tenant: who signs in with it becomes a member. Inviting again renews."""
    invitation = await store.invitations.add(email, tenant, role=role, life=life)
    return _with_link(invitation)


@click.group()
def invitation() -> None:
    """List and withdraw invitations; `invite` adds one."""


@invitation.command(name="list")
@ONE_TENANT
@with_store
async def list_(store: IdentityStore, *, tenant: str | None) -> list[InvitationRecord]:
    """List invitations, also those that were accepted or withdrawn, or have expired."""
    return await store.invitations.all(tenant=tenant)


@invitation.command()
@click.argument("invitation", metavar="INVITATION-ID")
@LOSES
@with_store
async def withdraw(store: IdentityStore, *, invitation: str, yes: bool) -> InvitationRecord:
    """Withdraw an invitation that was not accepted."""
    confirm(f"{invitation} will not admit its address any more. Continue?", yes=yes)
    return await store.invitations.withdraw(invitation)


def _with_link(invitation: InvitationRecord) -> Linked:
    operator = click.get_current_context().find_object(Operator)
    base = operator.public_url() if operator else ""
    return Linked(invitation, f"{base}/oauth/invitation/{invitation.id}")
