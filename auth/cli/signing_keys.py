"""`python -m auth signing-key …`: the keys that sign access tokens."""

import click

from auth.cli.context import with_store
from auth.store import IdentityStore
from auth.store.authorization.signing_keys import SigningKeyRecord


@click.group()
def signing_key() -> None:
    """List and rotate the keys that sign access tokens. Keys in MCP_OAUTH_SIGNING_KEYS are used instead of these."""


@signing_key.command(name="list")
@with_store
async def list_(store: IdentityStore) -> list[SigningKeyRecord]:
    """List the keys, the newest first. The server makes the first one itself."""
    return await store.signing_keys.all()


@signing_key.command()
@with_store
async def rotate(store: IdentityStore) -> SigningKeyRecord:
    """Make a new key.

    Every instance signs with it within a minute; what its predecessor signed stays valid for an hour. A
    server with MCP_OAUTH_SIGNING_KEYS goes on using those.
    """
    return await store.signing_keys.rotate()
