"""`python -m auth tenant …`: tenants (organisations) and the ticket API of each."""

import sys

import click

from auth.cli.context import LOSES, confirm, with_store
from auth.store import IdentityStore
from auth.store.records import TenantRecord
from shared.command_lines import command_line
from shared.errors import InvalidInputError

TENANT = click.argument("tenant", metavar="TENANT")
BEGINS_EMPTY = (
    "It begins without tickets, people and lists. If it has a ticket API of its own, set it with `tenant api`; for the "
    "one of this repository, `{sample} {tenant}` makes it ready for your own data (docs/your-data.md), and with "
    "`--sample en` fills it with sample data, before it is first used."
)


@click.group()
def tenant() -> None:
    """Manage tenants (organisations) and the ticket API of each."""


@tenant.command()
@TENANT
@click.option("--name", help="Display name; default: the id.")
@with_store
async def add(store: IdentityStore, *, tenant: str, name: str | None) -> TenantRecord:
    """Add a tenant. TENANT is its id: 1 to 40 characters of a-z, 0-9 and '-'."""
    added = await store.tenants.add(tenant, name=name)
    click.echo(BEGINS_EMPTY.format(tenant=tenant, sample=f"{command_line('ticket_api')} tenant add"), err=True)
    return added


@tenant.command(name="list")
@with_store
async def list_(store: IdentityStore) -> list[TenantRecord]:
    """List tenants."""
    return await store.tenants.all()


@tenant.command()
@TENANT
@LOSES
@with_store
async def disable(store: IdentityStore, *, tenant: str, yes: bool) -> TenantRecord:
    """Disable a tenant: all its keys are refused, nothing is deleted."""
    confirm(f"All keys of {tenant} will be refused. Continue?", yes=yes)
    return await store.tenants.disable(tenant)


@tenant.command()
@TENANT
@with_store
async def enable(store: IdentityStore, *, tenant: str) -> TenantRecord:
    """Enable a disabled tenant again."""
    return await store.tenants.enable(tenant)


@tenant.command()
@TENANT
@click.option("--address", help="URL of the tenant's own ticket API; default: the ticket API of this deployment.")
@click.option(
    "--key-from",
    metavar="WHERE",
    help="Its API key: `stdin` (sealed and stored), or env:NAME or file:/PATH on the server (read when needed).",
)
@click.option("--allow-private", is_flag=True, help="Allow loopback and private addresses, and http:// to them.")
@click.option("--shared", is_flag=True, help="Remove address and key: the tenant shares the deployment's ticket API.")
@LOSES
@with_store
async def api(
    store: IdentityStore,
    *,
    tenant: str,
    address: str | None,
    key_from: str | None,
    allow_private: bool,
    shared: bool,
    yes: bool,
) -> TenantRecord:
    """Set the ticket API of a tenant. Replaces the previous address and key."""
    if shared:
        if address or key_from:
            raise InvalidInputError("Give --shared alone: it removes the address and the key.")
        confirm(f"The address and the key of {tenant}'s ticket API will be removed. Continue?", yes=yes)
        return await store.tenants.clear_upstream(tenant)
    if address is None and key_from is None:
        raise InvalidInputError("Give --address, --key-from or both; or --shared alone.")
    key = sys.stdin.readline().strip() if key_from == "stdin" else None
    reference = None if key_from == "stdin" else key_from
    return await store.tenants.set_upstream(tenant, address, key=key, key_ref=reference, allow_private=allow_private)


@tenant.command()
@with_store
async def reseal(store: IdentityStore) -> str:
    """Reseal all stored ticket API keys. Uses the first of MCP_IDENTITY_KEYS, so that the older ones can be removed."""
    return f"{await store.tenants.reseal()} keys were resealed."
