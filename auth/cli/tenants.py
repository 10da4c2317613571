"""`python -m auth tenant …`: organisations, and where the tickets of each are."""

import sys

import click

from auth.cli.context import LOSES, sure, with_store
from auth.store import IdentityStore
from auth.store.records import TenantRecord
from shared.errors import InvalidInputError

TENANT = click.argument("tenant", metavar="ORGANISATION")


@click.group()
def tenant() -> None:
    """Organisations, and where the tickets of each are."""


@tenant.command()
@TENANT
@click.option("--name", help="What people call it.")
@with_store
async def add(store: IdentityStore, *, tenant: str, name: str | None) -> TenantRecord:
    """Add an organisation; its id is 1 to 40 of a-z, 0-9 and '-'."""
    return await store.tenants.add(tenant, name=name)


@tenant.command(name="list")
@with_store
async def list_(store: IdentityStore) -> list[TenantRecord]:
    """List organisations."""
    return await store.tenants.all()


@tenant.command()
@TENANT
@LOSES
@with_store
async def disable(store: IdentityStore, *, tenant: str, yes: bool) -> TenantRecord:
    """Let nobody of an organisation in any more; nothing is deleted."""
    sure(f"Everybody of {tenant} will be refused. Go on?", yes=yes)
    return await store.tenants.disable(tenant)


@tenant.command()
@TENANT
@with_store
async def enable(store: IdentityStore, *, tenant: str) -> TenantRecord:
    """Let an organisation in again."""
    return await store.tenants.enable(tenant)


@tenant.command()
@TENANT
@click.option("--address", help="Address of its own ticket API; without, the one of this deployment.")
@click.option(
    "--key-from",
    metavar="WHERE",
    help="Its key: `stdin`, which is sealed and stored, or env:NAME or file:/PATH of the server, read when needed.",
)
@click.option("--allow-private", is_flag=True, help="Accept loopback and private addresses, and http:// to them.")
@click.option("--shared", is_flag=True, help="Forget address and key: it shares the deployment's ticket API.")
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
    """Say where the tickets of an organisation are. What was said before is forgotten."""
    if shared:
        if address or key_from:
            raise InvalidInputError("Give --shared alone: it forgets the address and the key.")
        sure(f"{tenant} will lose the address and the key of its ticket API. Go on?", yes=yes)
        return await store.tenants.clear_upstream(tenant)
    if address is None and key_from is None:
        raise InvalidInputError("Give --address, --key-from, both, or --shared alone.")
    key = sys.stdin.readline().strip() if key_from == "stdin" else None
    reference = None if key_from == "stdin" else key_from
    return await store.tenants.set_upstream(tenant, address, key=key, key_ref=reference, allow_private=allow_private)


@tenant.command()
@with_store
async def reseal(store: IdentityStore) -> str:
    """Seal every stored key of a ticket API with the first of MCP_IDENTITY_KEYS, so that the others may go."""
    return f"{await store.tenants.reseal()} keys were sealed anew."
