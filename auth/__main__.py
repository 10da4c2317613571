"""Manage tenants, users, service accounts, invitations, identities, keys, grants of sign-ins and the audit trail.

Run as `python -m auth`, in a checkout as `python3 run.py auth`, installed as `ticket-server auth`. Reads
`MCP_DATABASE_URL`, `MCP_IDENTITY_KEYS` and `MCP_PUBLIC_URL`, as the server does. Results go to stdout, everything else
to stderr.

Exit codes: 0 success; 1 the command failed, with one sentence why; 2 wrong option or setting; 130 Ctrl-C.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import click

from auth.cli import audit, departure, domains, grants, identities, invitations, keys, signing_keys, tenants, users
from auth.cli.context import Operator
from auth.store import IdentityStore, open_store
from auth.store.migrate import grant, prepare
from auth.store.peppers import Secrets
from shared.audit import operator
from shared.command_lines import command_line, is_of_run_py
from shared.config import IdentitySettings, load, notes
from shared.environment import SettingsError
from shared.errors import TicketServerError
from shared.storage.database import open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError, Standing
from shared.telemetry import configure_logging

INTERRUPTED = 130
"""Exit code by which shells report that Ctrl-C ended a program."""


@click.group(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def cli(context: click.Context) -> None:
    """Give every command a way to open the store."""
    context.obj = Operator(_store, _public_url)


for group in (
    *(tenants.tenant, users.user, users.membership, users.service, identities.identity, keys.key, audit.audit),
    *(invitations.invite, invitations.invitation, domains.domain, keys.first_key, signing_keys.signing_key),
    *(grants.grant, grants.client),
):
    cli.add_command(group)
for command in (departure.export, departure.erase):
    tenants.tenant.add_command(command)


@cli.command()
@click.option("--grant-to", "role", metavar="ROLE", help="PostgreSQL role of the server, to grant it the tables.")
def migrate(role: str | None) -> None:
    """Create or upgrade the tables. On PostgreSQL, run this as their owner; on SQLite the server does it itself."""
    click.echo(asyncio.run(_migrate(role)).sentence("identity store"))


@asynccontextmanager
async def _store() -> AsyncIterator[IdentityStore]:
    settings = _settings()
    if not settings.identity_keys:
        raise SettingsError("set MCP_IDENTITY_KEYS to the secrets of the server (32 characters or more)")
    secrets = Secrets([key.get_secret_value() for key in settings.identity_keys])
    async with open_store(_database_url(settings), secrets, actor=operator()) as store:
        yield store


def _public_url() -> str:
    return str(load(IdentitySettings).public_url or "").rstrip("/")


async def _migrate(role: str | None) -> Standing:
    async with open_engine(resolve_url(_database_url(_settings()))) as engine:
        standing = await prepare(engine)
        if role is not None and standing is not Standing.NEWER:
            await grant(engine, role)
        return standing


def _settings() -> IdentitySettings:
    settings = load(IdentitySettings)
    for sentence in notes(settings):
        click.echo(f"Note: {sentence}", err=True)
    return settings


def _database_url(settings: IdentitySettings) -> str:
    try:
        resolve_url(settings.identity_database_url)
    except ValueError as error:
        raise SettingsError(f"MCP_DATABASE_URL: {error}") from None
    return settings.identity_database_url


def main() -> int:
    """Run a command; return the exit code."""
    # To a person the result says what was done; the log of a job needs the audit lines too.
    is_for_a_person = sys.stderr.isatty() or is_of_run_py()
    configure_logging(level="WARNING" if is_for_a_person else "INFO")
    try:
        cli.main(prog_name=command_line("auth"), standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):  # while the command ran, not at a confirmation prompt
            return INTERRUPTED
        click.echo("Nothing was done. Answer y, or pass --yes to run without a prompt.", err=True)
        return 1
    except SettingsError as error:
        click.echo(f"Error: {error}", err=True)
        return 2
    except (TicketServerError, DatabaseNotReadyError, OSError) as error:
        kind, message = _explained(error)
        said = {"error": {"kind": kind, "message": message}}
        click.echo(json.dumps(said) if "--json" in sys.argv else f"Error: {message}", err=True)
        return 1
    return 0


def _explained(error: Exception) -> tuple[str, str]:
    """Return the `kind` of the failure and the message for the operator."""
    match error:
        case TicketServerError():
            return error.kind, str(error)
        case OSError():  # a full disk, for example
            return "not_written", f"The result cannot be written ({error.strerror}), but the command was carried out."
        case _:
            return "database_not_ready", str(error)


if __name__ == "__main__":
    sys.exit(main())
