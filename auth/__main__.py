"""Organisations, people, programs, their keys, and the audit: `python -m auth`, or `python3 run.py auth`.

Reads `MCP_DATABASE_URL` and `MCP_IDENTITY_KEYS`, as the server does. Answers go to stdout, everything else to stderr.
Ends with 0; with 1 and one sentence when a command cannot be done; with 2 when a setting or an option is wrong; with
130 after Ctrl-C.
"""

import asyncio
import getpass
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from auth.cli import audit, keys, tenants, users
from auth.cli.context import Operator
from auth.store import IdentityStore, open_store
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.config import IdentitySettings, SettingsError, load
from shared.errors import TicketServerError
from shared.storage.database import open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from shared.telemetry import configure_logging

INTERRUPTED = 130
"""What shells say of a program that Ctrl-C ended."""


@click.group(help=(__doc__ or "").partition("\n\n")[0], context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """Hand every command a way to open the store."""
    context.obj = Operator(_store)


for group in (tenants.tenant, users.user, users.membership, users.service, keys.key, audit.audit, keys.first_key):
    cli.add_command(group)


@cli.command()
@click.option("--grant-to", "role", metavar="ROLE", help="PostgreSQL: let the role of the server work with the tables.")
def migrate(role: str | None) -> None:
    """Bring the tables up to date. On PostgreSQL as their owner; on SQLite the server does it by itself."""
    asyncio.run(_migrate(role))
    click.echo("The identity store is up to date.")


@asynccontextmanager
async def _store() -> AsyncIterator[IdentityStore]:
    settings = load(IdentitySettings)
    if not settings.identity_keys:
        raise SettingsError("set MCP_IDENTITY_KEYS to the secrets of the server (32 characters or more)")
    secrets = Secrets([key.get_secret_value() for key in settings.identity_keys])
    async with open_store(_database_url(settings), secrets, actor=_actor()) as store:
        yield store


async def _migrate(role: str | None) -> None:
    async with open_engine(resolve_url(_database_url(load(IdentitySettings)))) as engine:
        await prepare(engine)
        if role is not None:
            await grant(engine, role)


def _database_url(settings: IdentitySettings) -> str:
    try:
        resolve_url(settings.identity_database_url)
    except ValueError as error:
        raise SettingsError(f"MCP_DATABASE_URL: {error}") from None
    return settings.identity_database_url


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
    except click.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):  # in the middle of it, not instead of an answer
            return INTERRUPTED
        click.echo("Nothing was done. Answer y, or give --yes where nobody can be asked.", err=True)
        return 1
    except SettingsError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    except (TicketServerError, DatabaseNotReadyError, OSError) as error:
        kind, message = _told(error)
        said = {"error": {"kind": kind, "message": message}}
        click.echo(json.dumps(said) if "--json" in sys.argv else f"Error: {message}", err=True)
        return 1
    return 0


def _told(error: Exception) -> tuple[str, str]:
    """Return what kind of failure it is, and the sentence for the operator."""
    match error:
        case TicketServerError():
            return error.kind, str(error)
        case OSError():  # a disk that is full, for example
            return "not_written", f"The answer cannot be written ({error.strerror}), but what it tells of was done."
        case _:
            return "database_not_ready", str(error)


if __name__ == "__main__":
    sys.exit(main())
