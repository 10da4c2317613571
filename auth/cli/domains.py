"""`python -m auth domain …`: whose accounts at the identity provider belong to an organisation."""

import click

from auth.cli.context import LOSES, confirm, with_store
from auth.cli.users import ONE_TENANT, ROLE, TENANT
from auth.store import IdentityStore
from auth.store.authorization.records import DomainRecord

DOMAIN = click.argument("domain", metavar="DOMAIN")


@click.group()
def domain() -> None:
    """Manage domains: who has an account in one joins its tenant at the first sign-in."""


@domain.command()
@DOMAIN
@TENANT
@ROLE
@with_store
async def add(store: IdentityStore, *, domain: str, tenant: str, role: str) -> DomainRecord:
    """Let people with an account in DOMAIN join a tenant; repeated, it changes the role of those who join later."""
    return await store.domains.add(domain, tenant, role=role)


@domain.command(name="list")
@ONE_TENANT
@with_store
async def list_(store: IdentityStore, *, tenant: str | None) -> list[DomainRecord]:
    """List domains."""
    return await store.domains.all(tenant=tenant)


@domain.command()
@DOMAIN
@LOSES
@with_store
async def remove(store: IdentityStore, *, domain: str, yes: bool) -> DomainRecord:
    """End joining by DOMAIN. Members stay members."""
    confirm(f"New people will not join by {domain} any more. Continue?", yes=yes)
    return await store.domains.remove(domain)
