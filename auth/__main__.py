"""The command line of the identity store: `python -m auth`, or `python3 run.py auth`.

Reads `MCP_DATABASE_URL` and `MCP_IDENTITY_KEYS`, as the server does. Answers go to stdout, everything else to stderr.
Ends with 0; with 1 and one sentence when a command cannot be done; with 2 when a setting or an option is wrong.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from auth.commands import audit, keys, people, tenants
from auth.commands.operator import Operator
from auth.migrate import grant, prepare
from auth.secrets import Secrets
from auth.store import IdentityStore, open_store
from shared.config import IdentitySettings, SettingsError, load
from shared.database import open_engine, resolve_url
from shared.errors import TicketServerError
from shared.migrations import DatabaseNotReadyError
from shared.telemetry import configure_logging


@click.group(help=(__doc__ or "").partition("\n\n")[0], context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """Hand every command a way to open the store."""
    context.obj = Operator(_store)


for group in (tenants.tenant, people.user, people.membership, people.service, keys.key, audit.audit, keys.first_key):
    cli.add_command(group)


@cli.command()
@click.option("--grant-to", "role", metavar="ROLE", help="PostgreSQL: let the role of the server work with the tables.")
def migrate(role: str | None) -> None:
    """Bring the tables up to date: on PostgreSQL as their owner, on SQLite the server does it by itself."""
    asyncio.run(_migrate(role))
    click.echo("The identity store is up to date.")


@asynccontextmanager
async def _store() -> AsyncIterator[IdentityStore]:
    settings = load(IdentitySettings)
    if not settings.identity_keys:
        raise SettingsError("set MCP_IDENTITY_KEYS to the secrets of the server (32 characters or more)")
    secrets = Secrets([key.get_secret_value() for key in settings.identity_keys])
    async with open_store(settings.identity_database_url, secrets, actor=_actor()) as store:
        yield store


async def _migrate(role: str | None) -> None:
    async with open_engine(resolve_url(load(IdentitySettings).identity_database_url)) as engine:
        await prepare(engine)
        if role is not None:
            await grant(engine, role)


def _actor() -> str:
    """Return who is audited for what a command does: the person of the machine, where there is one."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return "cli"


def main() -> int:
    """Run a command; return the exit code."""
    # On a terminal the answer says what was done; a job's log has the audit lines as well.
    configure_logging(level="WARNING" if sys.stderr.isatty() else "INFO")
    try:
        cli.main(prog_name="python -m auth", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        click.echo("Nothing was done.", err=True)
        return 1
    except SettingsError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    except (TicketServerError, DatabaseNotReadyError) as error:
        kind = error.kind if isinstance(error, TicketServerError) else "database_not_ready"
        said = {"error": {"kind": kind, "message": str(error)}}
        click.echo(json.dumps(said) if "--json" in sys.argv else f"Error: {error}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
