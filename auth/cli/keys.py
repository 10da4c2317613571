"""`python -m auth key …` and `first-key`: manage API keys. A key is shown once, when it is created."""

from datetime import timedelta
from typing import Any

import click

from auth.cli.context import LOSES, confirm, with_store
from auth.cli.users import ONE_TENANT, TENANT
from auth.store import IdentityStore
from auth.store.api_keys import LIFE, OVERLAP
from auth.store.key_format import PREFIX, parse
from auth.store.records import KeyRecord, NewKey
from shared.identity import DEFAULT_TENANT, Scope


class DurationParam(click.ParamType[timedelta]):
    """A duration, given as a number of `unit`."""

    def __init__(self, unit: str) -> None:
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration."""
        try:
            return timedelta(**{self.name: float(value)})
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a number of {self.name}.", param, ctx)


class PublicIdParam(click.ParamType[str]):
    """The public id of a key, or the whole key: an operator who finds a leaked key can paste it as it is."""

    name = "public id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the public id."""
        whole = parse(str(value).strip())
        if whole is None and str(value).startswith(PREFIX):  # not repeated in the message: it may hold a secret
            self.fail("this looks like a key but is not valid: give the 8 characters after tkt_live_.", param, ctx)
        return str(value) if whole is None else whole.public_id


PUBLIC_ID = click.argument("public_id", metavar="PUBLIC-ID", type=PublicIdParam())
LIVES = click.option(
    "--expires-in",
    "life",
    type=DurationParam("days"),
    default=str(LIFE.days),
    show_default=True,
    metavar="DAYS",
    help="Lifetime of the key, at most 366 days.",
)


@click.group()
def key() -> None:
    """Create, list, rotate and revoke API keys."""


@key.command()
@TENANT
@click.option("--user", metavar="EMAIL-OR-ID", help="The user who owns the key; or give --service.")
@click.option("--service", metavar="NAME-OR-ID", help="The service account that owns the key; or give --user.")
@click.option("--name", default="key", show_default=True, help="A label, for example `laptop`.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice([scope.value for scope in Scope]),
    help="Restrict the key to this scope; repeatable. Default: all scopes of the owner's role.",
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
    life: timedelta,
) -> NewKey:
    """Create a key for a user or a service account and print it. It cannot be shown again."""
    return await store.keys.create(
        tenant, user=user, service_account=service, name=name, scopes=scopes or None, life=life
    )


@key.command(name="list")
@ONE_TENANT
@click.option("--user", metavar="EMAIL-OR-ID", help="Only keys of this user.")
@with_store
async def list_(store: IdentityStore, *, tenant: str | None, user: str | None) -> list[KeyRecord]:
    """List keys by public id."""
    return await store.keys.all(tenant=tenant, user=user)


@key.command()
@PUBLIC_ID
@click.option(
    "--overlap",
    "overlap",
    type=DurationParam("hours"),
    default=f"{OVERLAP / timedelta(hours=1):g}",
    show_default=True,
    metavar="HOURS",
    help="How long the old key stays valid.",
)
@LIVES
@with_store
async def rotate(store: IdentityStore, *, public_id: str, overlap: timedelta, life: timedelta) -> NewKey:
    """Create a successor to a key and print it once. The old key expires after the overlap."""
    return await store.keys.rotate(public_id, overlap=overlap, life=life)


@key.command()
@PUBLIC_ID
@LOSES
@with_store
async def revoke(store: IdentityStore, *, public_id: str, yes: bool) -> KeyRecord:
    """Revoke a key and close the streams it opened. Takes effect within MCP_REVOKE_WITHIN seconds."""
    key = await store.keys.one(public_id)
    confirm(f"Key {public_id} ({key.name}) of {key.owner_name} will be refused. Continue?", yes=yes)
    return await store.keys.revoke(public_id)


@click.command()
@click.argument("email")
@click.option("--tenant", default=DEFAULT_TENANT.id, show_default=True, metavar="TENANT", help="Tenant to administer.")
@click.option("--another", is_flag=True, help="Create it even if an administrator with a valid key exists.")
@LIVES
@with_store
async def first_key(store: IdentityStore, *, email: str, tenant: str, another: bool, life: timedelta) -> NewKey:
    """Create a key for the first administrator and print it once. Also creates the tenant and the user if missing."""
    return await store.first_key(email, tenant=tenant, life=life, another=another)
