"""`python -m auth grant|client …`: what people allowed clients at sign-in, and the clients that are known."""

import click

from auth.authorization_server.clients.redirects import RedirectPolicy
from auth.cli.context import LOSES, confirm, with_store
from auth.cli.users import ONE_TENANT
from auth.store import IdentityStore
from auth.store.authorization.records import ClientRecord, GrantRecord
from shared.errors import InvalidInputError

USER = click.option("--user", metavar="EMAIL-OR-ID", help="Only those of this user.")
CLIENT = click.option("--client", "client_id", metavar="CLIENT-ID", help="Only those of this client, on all devices.")


@click.group()
def grant() -> None:
    """Manage what people allowed clients at sign-in."""


@grant.command(name="list")
@ONE_TENANT
@USER
@CLIENT
@with_store
async def list_grants(
    store: IdentityStore, *, tenant: str | None, user: str | None, client_id: str | None
) -> list[GrantRecord]:
    """List grants, one for each installation of a client, revoked ones included."""
    return await store.grants.all(tenant=tenant, user=user, client_id=client_id)


@grant.command()
@click.argument("grant_id", metavar="[GRANT-ID]", required=False)
@ONE_TENANT
@USER
@CLIENT
@click.option("--redirect-uri", metavar="URI", help="Only those with this redirect URI, exactly as listed with --json.")
@LOSES
@with_store
async def revoke(
    store: IdentityStore,
    *,
    grant_id: str | None,
    tenant: str | None,
    user: str | None,
    client_id: str | None,
    redirect_uri: str | None,
    yes: bool,
) -> GrantRecord | str:
    """Sign a client out: one grant, or all that match every option. Takes effect within MCP_REVOKE_WITHIN seconds."""
    named = ", ".join(filter(None, (tenant, user, client_id, redirect_uri)))
    if (grant_id is None) == (not named):
        raise InvalidInputError(
            "Give the id of one grant, or say whose grants: --user, --client, --redirect-uri, --tenant."
        )
    if grant_id is None:
        confirm(f"All grants of {named} will be refused: people have to sign in again. Continue?", yes=yes)
        revoked = await store.grants.revoke_all(
            tenant=tenant, user=user, client_id=client_id, redirect_uri=redirect_uri, because="operator"
        )
        return f"{revoked} grants were revoked."
    one = await store.grants.one(grant_id)
    confirm(f"{one.authorization.client_id} will be refused as {one.email}. Continue?", yes=yes)
    await store.grants.revoke(grant_id, because="operator")
    return await store.grants.one(grant_id)


@click.group()
def client() -> None:
    """Manage the clients that people sign in with."""


@client.command()
@click.option("--name", required=True, help="Name that the consent page shows.")
@click.option("--redirect-uri", "redirect_uris", required=True, multiple=True, metavar="URI", help="May be repeated.")
@with_store
async def add(store: IdentityStore, *, name: str, redirect_uris: tuple[str, ...]) -> ClientRecord:
    """Add a client that has no metadata document and cannot register itself, and print its id."""
    for uri in redirect_uris:
        _check(uri)
    return await store.oauth_clients.add(name, redirect_uris)


def _check(redirect_uri: str) -> None:
    """Say if a server sends no one to a redirect URI without a setting. Raises: InvalidInputError: none ever does."""
    if RedirectPolicy().allows(redirect_uri):
        return
    try:
        RedirectPolicy((redirect_uri,))
    except ValueError as error:
        raise InvalidInputError(str(error), field="redirect_uri") from None
    click.echo(f"List {redirect_uri} in MCP_OAUTH_REDIRECTS of every instance as well, if it is not yet.", err=True)


@client.command(name="list")
@with_store
async def list_clients(store: IdentityStore) -> list[ClientRecord]:
    """List the clients that are known, the last used first."""
    return await store.oauth_clients.all()


@client.command()
@click.argument("client_id", metavar="CLIENT-ID")
@LOSES
@with_store
async def remove(store: IdentityStore, *, client_id: str, yes: bool) -> str:
    """Forget a client and revoke its grants. One whose id is an address can be used again after a new sign-in."""
    confirm(f"All grants of {client_id}, of every user, will be refused. Continue?", yes=yes)
    return f"The client was removed, and {await store.oauth_clients.remove(client_id)} grants were revoked."
