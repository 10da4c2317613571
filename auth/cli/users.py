"""`python -m auth user|membership|service …`: people, what they are in organisations, and programs."""

import click

from auth.cli.context import LOSES, sure, with_store
from auth.store import IdentityStore
from auth.store.records import MembershipRecord, ServiceAccountRecord, UserRecord
from shared.identity import Role

WHO = click.argument("who", metavar="EMAIL-OR-ID")
TENANT = click.option("--tenant", required=True, metavar="ORGANISATION")
ONE_TENANT = click.option("--tenant", metavar="ORGANISATION", help="Only of this one.")
ROLE = click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
TICKET_USER = click.option(
    "--ticket-user",
    metavar="ID",
    help="User of the ticket system as whom they write. Left out, it stays as it is; '' takes it back: a person is "
    "found by e-mail address again.",
)


@click.group()
def user() -> None:
    """People."""


@user.command()
@click.argument("email")
@click.option("--name", help="What people call them.")
@with_store
async def add(store: IdentityStore, *, email: str, name: str | None) -> UserRecord:
    """Add a person, who is a member of nothing yet."""
    return await store.users.add(email, name=name)


@user.command(name="list")
@with_store
async def list_users(store: IdentityStore) -> list[UserRecord]:
    """List people."""
    return await store.users.all()


@user.command()
@WHO
@LOSES
@with_store
async def disable(store: IdentityStore, *, who: str, yes: bool) -> UserRecord:
    """Let a person in nowhere any more."""
    sure(f"Every key of {who} will be refused, in every organisation. Go on?", yes=yes)
    return await store.users.disable(who)


@user.command()
@WHO
@with_store
async def enable(store: IdentityStore, *, who: str) -> UserRecord:
    """Let a person in again."""
    return await store.users.enable(who)


@click.group()
def membership() -> None:
    """What people are in organisations."""


@membership.command(name="set")
@WHO
@TENANT
@ROLE
@TICKET_USER
@with_store
async def set_(store: IdentityStore, *, who: str, tenant: str, role: str, ticket_user: str | None) -> MembershipRecord:
    """Make a person a member, or change what they are."""
    return await store.memberships.set(who, tenant, role=role, ticket_user=ticket_user)


@membership.command()
@WHO
@TENANT
@LOSES
@with_store
async def remove(store: IdentityStore, *, who: str, tenant: str, yes: bool) -> str:
    """End a membership; the person's keys for that organisation are refused from then on."""
    sure(f"Keys of {who} for {tenant} will be refused. Go on?", yes=yes)
    await store.memberships.remove(who, tenant)
    return f"{who} is not a member of {tenant} any more."


@membership.command(name="list")
@ONE_TENANT
@with_store
async def list_members(store: IdentityStore, *, tenant: str | None) -> list[MembershipRecord]:
    """List members."""
    return await store.memberships.all(tenant=tenant)


@click.group()
def service() -> None:
    """Programs that call on their own behalf."""


@service.command(name="add")
@click.argument("name")
@TENANT
@ROLE
@TICKET_USER
@with_store
async def add_service(
    store: IdentityStore, *, name: str, tenant: str, role: str, ticket_user: str | None
) -> ServiceAccountRecord:
    """Add a program."""
    return await store.service_accounts.add(tenant, name, role=role, ticket_user=ticket_user)


@service.command(name="set")
@click.argument("name")
@TENANT
@ROLE
@TICKET_USER
@with_store
async def set_service(
    store: IdentityStore, *, name: str, tenant: str, role: str, ticket_user: str | None
) -> ServiceAccountRecord:
    """Change what a program is."""
    return await store.service_accounts.set(tenant, name, role=role, ticket_user=ticket_user)


@service.command(name="list")
@ONE_TENANT
@with_store
async def list_services(store: IdentityStore, *, tenant: str | None) -> list[ServiceAccountRecord]:
    """List programs."""
    return await store.service_accounts.all(tenant=tenant)


@service.command(name="disable")
@click.argument("name")
@TENANT
@LOSES
@with_store
async def disable_service(store: IdentityStore, *, name: str, tenant: str, yes: bool) -> ServiceAccountRecord:
    """Let a program in no more."""
    sure(f"Every key of {name} will be refused. Go on?", yes=yes)
    return await store.service_accounts.disable(tenant, name)


@service.command(name="enable")
@click.argument("name")
@TENANT
@with_store
async def enable_service(store: IdentityStore, *, name: str, tenant: str) -> ServiceAccountRecord:
    """Let a program in again."""
    return await store.service_accounts.enable(tenant, name)
