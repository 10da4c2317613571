"""`python -m auth identity …`: which user or service account the subject of an identity provider is."""

import click

from auth.cli.context import LOSES, confirm, with_store
from auth.cli.users import ONE_TENANT
from auth.store import IdentityStore
from auth.store.records import IdentityRecord


@click.group()
def identity() -> None:
    """Manage how identity providers know users and service accounts (sign-in)."""


@identity.command()
@click.option("--issuer", required=True, metavar="URL", help="The provider, exactly as in MCP_OAUTH_ISSUER.")
@click.option("--subject", required=True, metavar="SUB", help="The claim `sub` of its tokens.")
@click.option("--user", metavar="EMAIL-OR-ID", help="The user who signs in; or give --service and --tenant.")
@click.option("--service", metavar="NAME-OR-ID", help="The service account of a program; needs --tenant.")
@click.option("--tenant", metavar="TENANT", help="The tenant of the service account.")
@with_store
async def add(
    store: IdentityStore, *, issuer: str, subject: str, user: str | None, service: str | None, tenant: str | None
) -> IdentityRecord:
    """Link the subject of an identity provider to a user or a service account."""
    return await store.identities.add(issuer=issuer, subject=subject, user=user, tenant=tenant, service_account=service)


@identity.command(name="list")
@ONE_TENANT
@click.option("--user", metavar="EMAIL-OR-ID", help="Only those of this user.")
@with_store
async def list_(store: IdentityStore, *, tenant: str | None, user: str | None) -> list[IdentityRecord]:
    """List identities, removed ones included."""
    return await store.identities.all(tenant=tenant, user=user)


@identity.command()
@click.argument("identity", metavar="IDENTITY-ID")
@LOSES
@with_store
async def remove(store: IdentityStore, *, identity: str, yes: bool) -> IdentityRecord:
    """Refuse an identity from now on. `identity add` links its subject again."""
    confirm(f"All access tokens of {identity} will be refused. Continue?", yes=yes)
    return await store.identities.remove(identity)
