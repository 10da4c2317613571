"""`python -m auth tenant export` and `tenant erase`: what an organisation that leaves is given; how it is erased."""

from pathlib import Path

import click

from auth.cli.context import with_store
from auth.cli.tenants import TENANT
from auth.store import IdentityStore
from shared.errors import InvalidInputError


@click.command()
@TENANT
@click.option("--to", "file", metavar="FILE", type=click.Path(path_type=Path), required=True, help="A new file.")
@with_store
async def export(store: IdentityStore, *, tenant: str, file: Path) -> str:
    """Write users, keys, grants and audit events of a tenant to a file of JSON lines. It has no secrets."""
    counts = await store.departures.export(tenant, file)
    return f"{file}: {', '.join(f'{table} {count:,}' for table, count in counts.items())}."


@click.command()
@TENANT
@click.option("--yes-erase", "again", metavar="TENANT", help="The id once more, to run without a prompt.")
@with_store
async def erase(store: IdentityStore, *, tenant: str, again: str | None) -> str:
    """Erase a tenant with its users, service accounts, keys and grants. Its tickets are separate: docs/recovery.md."""
    if again is None:
        again = click.prompt(f"All of {tenant} will be erased for good. Type its id to go on", err=True)
    if again != tenant:
        raise InvalidInputError(f"Nothing was erased: type the id of the tenant once more, {tenant}.")
    await store.departures.erase(tenant)
    return (
        f"{tenant} is erased; servers refuse its keys within MCP_REVOKE_WITHIN seconds. Its audit events of the last "
        "90 days, its tickets and its rows in backups are still there: docs/recovery.md."
    )
