"""`python -m auth key …` and `first-key`: keys, each shown once, when it is made."""

from datetime import timedelta

import click

from auth.commands.operator import LOSES, sure, with_store
from auth.commands.people import ONE_TENANT, TENANT
from auth.records import KeyRecord, NewKey
from auth.store import IdentityStore
from auth.store.api_keys import LIFE, OVERLAP
from shared.identity import DEFAULT_TENANT, Scope

PUBLIC_ID = click.argument("public_id", metavar="PUBLIC-ID")
LIVES = click.option(
    "--expires-in", "days", type=float, default=LIFE.days, show_default=True, metavar="DAYS", help="How long it lives."
)


@click.group()
def key() -> None:
    """Keys of people and programs."""


@key.command()
@TENANT
@click.option("--user", metavar="EMAIL-OR-ID", help="The person whose key it is.")
@click.option("--service", metavar="NAME-OR-ID", help="The program whose key it is.")
@click.option("--name", default="key", show_default=True, help="What it is for, for example `laptop`.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="May be given more than once; without, all that the role has.",
)
@LIVES
@with_store
async def add(
    store: IdentityStore,
    *,
    tenant: str,
    user: str | None,
    service: str | None,
    name: str,
    scopes: tuple[str, ...],
    days: float,
) -> NewKey:
    """Make a key and show it, once."""
    return await store.keys.create(
        tenant, user=user, service_account=service, name=name, scopes=scopes or None, life=timedelta(days=days)
    )


@key.command(name="list")
@ONE_TENANT
@click.option("--user", metavar="EMAIL-OR-ID", help="Only of this person.")
@with_store
async def list_(store: IdentityStore, *, tenant: str | None, user: str | None) -> list[KeyRecord]:
    """List keys by their public parts."""
    return await store.keys.all(tenant=tenant, user=user)


@key.command()
@PUBLIC_ID
@click.option(
    "--overlap",
    "hours",
    type=float,
    default=OVERLAP / timedelta(hours=1),
    show_default=True,
    metavar="HOURS",
    help="How long the old key goes on.",
)
@LIVES
@with_store
async def rotate(store: IdentityStore, *, public_id: str, hours: float, days: float) -> NewKey:
    """Make the successor of a key and show it, once; the old one ends when the overlap is over."""
    return await store.keys.rotate(public_id, overlap=timedelta(hours=hours), life=timedelta(days=days))


@key.command()
@PUBLIC_ID
@LOSES
@with_store
async def revoke(store: IdentityStore, *, public_id: str, yes: bool) -> KeyRecord:
    """End a key, and the streams that it opened, at once."""
    sure(f"Whoever uses key {public_id} will be refused. Go on?", yes=yes)
    return await store.keys.revoke(public_id)


@click.command()
@click.argument("email")
@click.option("--tenant", default=DEFAULT_TENANT.id, show_default=True, metavar="ORGANISATION")
@LIVES
@with_store
async def first_key(store: IdentityStore, *, email: str, tenant: str, days: float) -> NewKey:
    """Make a key for an administrator, and the organisation and the person where they are missing."""
    return await store.first_key(email, tenant=tenant, life=timedelta(days=days))
