"""`python -m auth user|membership|service …`: users, their roles in tenants, and service accounts."""

import click

from auth.cli.context import LOSES, confirm, with_store
from auth.store import IdentityStore
from auth.store.records import MembershipRecord, ServiceAccountRecord, UserRecord
from shared.errors import InvalidInputError
from shared.identity import Role

WHO = click.argument("who", metavar="EMAIL-OR-ID")
TENANT = click.option("--tenant", required=True, metavar="TENANT", help="Id of the tenant.")
ONE_TENANT = click.option("--tenant", metavar="TENANT", help="Only this tenant.")
ROLE = click.option("--role", required=True, type=click.Choice([role.value for role in Role]))
NEW_ROLE = click.option(
    "--role", type=click.Choice([role.value for role in Role]), help="Omit to keep the current one."
)
TICKET_USER = click.option(
    "--ticket-user",
    metavar="ID",
    help="User of the ticket system to write as. Omit to keep the current value; '' removes it (a user is then matched "
    "by e-mail address).",
)


def _refuse_nothing(role: str | None, ticket_user: str | None) -> None:
    """Raises: InvalidInputError."""
    if role is None and ticket_user is None:
        raise InvalidInputError("Give --role, --ticket-user or both.")


@click.group()
def user() -> None:
    """Manage users."""


@user.command()
@click.argument("email")
@click.option("--name", help="Display name; default: the e-mail address.")
@with_store
async def add(store: IdentityStore, *, email: str, name: str | None) -> UserRecord:
    """Add a user, who is not yet a member of any tenant."""
    return await store.users.add(email, name=name)


@user.command(name="list")
@with_store
async def list_users(store: IdentityStore) -> list[UserRecord]:
    """List users."""
    return await store.users.all()


@user.command()
@WHO
@LOSES
@with_store
async def disable(store: IdentityStore, *, who: str, yes: bool) -> UserRecord:
    """Disable a user in every tenant."""
    confirm(f"All keys and access tokens of {who} will be refused, in every tenant. Continue?", yes=yes)
    return await store.users.disable(who)


@user.command()
@WHO
@with_store
async def enable(store: IdentityStore, *, who: str) -> UserRecord:
    """Enable a disabled user again."""
    return await store.users.enable(who)


@click.group()
def membership() -> None:
    """Manage the roles of users in tenants."""


@membership.command(name="set")
@WHO
@TENANT
@NEW_ROLE
@TICKET_USER
@with_store
async def set_(
    store: IdentityStore, *, who: str, tenant: str, role: str | None, ticket_user: str | None
) -> MembershipRecord:
    """Make a user a member of a tenant, or change their role or ticket user."""
    _refuse_nothing(role, ticket_user)
    return await store.memberships.set(who, tenant, role=role, ticket_user=ticket_user)


@membership.command()
@WHO
@TENANT
@LOSES
@with_store
async def remove(store: IdentityStore, *, who: str, tenant: str, yes: bool) -> str:
    """End a membership. The user's keys and access tokens for that tenant are refused from then on."""
    confirm(f"All keys and access tokens of {who} for {tenant} will be refused. Continue?", yes=yes)
    await store.memberships.remove(who, tenant)
    return f"{who} is no longer a member of {tenant}."


@membership.command(name="list")
@ONE_TENANT
@with_store
async def list_members(store: IdentityStore, *, tenant: str | None) -> list[MembershipRecord]:
    """List memberships."""
    return await store.memberships.all(tenant=tenant)


@click.group()
def service() -> None:
    """Manage service accounts: programs with keys of their own."""


@service.command(name="add")
@click.argument("name")
@TENANT
@ROLE
@TICKET_USER
@with_store
async def add_service(
    store: IdentityStore, *, name: str, tenant: str, role: str, ticket_user: str | None
) -> ServiceAccountRecord:
    """Add a service account."""
    return await store.service_accounts.add(tenant, name, role=role, ticket_user=ticket_user)


@service.command(name="set")
@click.argument("name")
@TENANT
@NEW_ROLE
@TICKET_USER
@with_store
async def set_service(
    store: IdentityStore, *, name: str, tenant: str, role: str | None, ticket_user: str | None
) -> ServiceAccountRecord:
    """Change the role of a service account, or the user of the ticket system that it writes as."""
    _refuse_nothing(role, ticket_user)
    return await store.service_accounts.set(tenant, name, role=role, ticket_user=ticket_user)


@service.command(name="list")
@ONE_TENANT
@with_store
async def list_services(store: IdentityStore, *, tenant: str | None) -> list[ServiceAccountRecord]:
    """List service accounts."""
    return await store.service_accounts.all(tenant=tenant)


@service.command(name="disable")
@click.argument("name")
@TENANT
@LOSES
@with_store
async def disable_service(store: IdentityStore, *, name: str, tenant: str, yes: bool) -> ServiceAccountRecord:
    """Disable a service account."""
    confirm(f"All keys and access tokens of {name} will be refused. Continue?", yes=yes)
    return await store.service_accounts.disable(tenant, name)


@service.command(name="enable")
@click.argument("name")
@TENANT
@with_store
async def enable_service(store: IdentityStore, *, name: str, tenant: str) -> ServiceAccountRecord:
    """Enable a disabled service account again."""
    return await store.service_accounts.enable(tenant, name)
