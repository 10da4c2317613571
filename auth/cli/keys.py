"""`python -m auth key …` and `first-key`: keys, each shown once, when it is made."""

from datetime import timedelta
from typing import Any

import click

from auth.cli.context import LOSES, sure, with_store
from auth.cli.users import ONE_TENANT, TENANT
from auth.store import IdentityStore
from auth.store.api_keys import LIFE, OVERLAP
from auth.store.key_format import PREFIX, parse
from auth.store.records import KeyRecord, NewKey
from shared.identity import DEFAULT_TENANT, Scope


class Span(click.ParamType[timedelta]):
    """A time that is typed as a number of `unit`."""

    def __init__(self, unit: str) -> None:
        self.name = unit

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the time."""
        try:
            return timedelta(**{self.name: float(value)})
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no number of {self.name}.", param, ctx)


class PublicId(click.ParamType[str]):
    """The public part of a key, or the whole key: whoever finds one in the open wants it ended, not taken apart."""

    name = "public id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the public part."""
        whole = parse(str(value).strip())
        if whole is None and str(value).startswith(PREFIX):  # is not repeated: it may hold a secret
            self.fail("this begins like a key, but is none: give the eight characters after tkt_live_.", param, ctx)
        return str(value) if whole is None else whole.public_id


PUBLIC_ID = click.argument("public_id", metavar="PUBLIC-ID", type=PublicId())
LIVES = click.option(
    "--expires-in",
    "life",
    type=Span("days"),
    default=str(LIFE.days),
    show_default=True,
    metavar="DAYS",
    help="How long it lives, at most 366.",
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
    life: timedelta,
) -> NewKey:
    """Make a key and show it, once."""
    return await store.keys.create(
        tenant, user=user, service_account=service, name=name, scopes=scopes or None, life=life
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
    "overlap",
    type=Span("hours"),
    default=f"{OVERLAP / timedelta(hours=1):g}",
    show_default=True,
    metavar="HOURS",
    help="How long the old key goes on.",
)
@LIVES
@with_store
async def rotate(store: IdentityStore, *, public_id: str, overlap: timedelta, life: timedelta) -> NewKey:
    """Make the successor of a key and show it, once. The old one ends when the overlap is over."""
    return await store.keys.rotate(public_id, overlap=overlap, life=life)


@key.command()
@PUBLIC_ID
@LOSES
@with_store
async def revoke(store: IdentityStore, *, public_id: str, yes: bool) -> KeyRecord:
    """End a key, and the streams that it opened, at once."""
    key = await store.keys.one(public_id)
    sure(f"{key.owner_name} will be refused with key {public_id} ({key.name}). Go on?", yes=yes)
    return await store.keys.revoke(public_id)


@click.command()
@click.argument("email")
@click.option("--tenant", default=DEFAULT_TENANT.id, show_default=True, metavar="ORGANISATION")
@click.option("--another", is_flag=True, help="Also where there is an administrator with a valid key already.")
@LIVES
@with_store
async def first_key(store: IdentityStore, *, email: str, tenant: str, another: bool, life: timedelta) -> NewKey:
    """Make a key for the first administrator. The organisation and the person are made where they are missing."""
    return await store.first_key(email, tenant=tenant, life=life, another=another)
