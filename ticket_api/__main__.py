"""Run the ticket API as a service of its own, and administer it: `python -m ticket_api [serve|migrate|tenant|…]`.

`migrate` creates or upgrades the tables of a PostgreSQL database, run as their owner; a plain role serves. `tenant`
manages tenants (organisations) and their API keys; the other commands manage the data of one. Exit codes: 0 after
SIGTERM or Ctrl-C, or when a command succeeded; 2 when a command failed, with one sentence why.
"""

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import tzinfo
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import urlsplit

from pydantic import SecretStr

from shared import dotenv
from shared.command_lines import command_line as command_of
from shared.config import EMBEDDED, Settings, TicketApiSettings, load, notes, service_context
from shared.environment import SettingsError
from shared.exporting import exporting
from shared.http.server import CannotListenError, Server
from shared.storage.database import DatabaseBusyError, open_engine, resolve_url
from shared.storage.export_file import ExportError
from shared.storage.migrations import DatabaseNotReadyError
from shared.storage.transactions import Transactions, open_transactions
from shared.telemetry import configure_logging
from shared.time_zones import in_zone, machine_zone, utc_now, zone_named
from ticket_api import commands, create_app
from ticket_api.administration import command_line
from ticket_api.administration.session import Command, Session, explained
from ticket_api.departure import command_line as departure
from ticket_api.errors import ApiError
from ticket_api.http import openapi
from ticket_api.importing import command_line as tickets_command_line
from ticket_api.migrate import LONGEST_STATEMENT_S, migrate, prepare
from ticket_api.sample import filler, why_unused
from ticket_api.tenancy import DEFAULT, TenantDatabase
from ticket_api.times import show_moment

REFUSALS: Final = (
    *(SettingsError, CannotListenError, DatabaseNotReadyError, DatabaseBusyError, commands.CommandError, ValueError),
    ExportError,
)
"""What an operator types to get here, unless something else leads here."""
MADE: Final = "This made the database"
FINISH_S: Final = 6
"""How long requests in flight may take after a signal, in seconds."""


def zone_of(settings: Settings) -> tzinfo:
    """Return the zone of `settings`, by default that of this machine."""
    return machine_zone() if settings.time_zone is None else zone_named(settings.time_zone)


def serve(settings: TicketApiSettings) -> None:
    """Serve until a signal. Raises: DatabaseNotReadyError, CannotListenError."""
    if "sample_data" in settings.model_fields_set:
        asyncio.run(report_unused_samples(settings))
    app = create_app(
        database_url=settings.database_url.get_secret_value(),
        api_keys=[key.get_secret_value() for key in settings.api_key],
        sample_data=settings.sample_data,
        trusted_proxies=settings.trusted_proxies,
        zone=zone_of(settings),
    )
    is_behind_proxy = settings.trusted_proxies > 0
    Server(
        app,
        host=settings.host,
        port=settings.port,
        finish_s=FINISH_S,
        is_behind_proxy=is_behind_proxy,
        on_started=lambda _: gc.freeze(),  # to look at what the start made for garbage would stall requests for 0.1 s
    ).run()


async def report_unused_samples(settings: TicketApiSettings) -> None:
    """Tell the operator if the database has other samples than the ones that are set. Raises: DatabaseNotReadyError."""
    async with opened(settings) as transactions:
        tenants = TenantDatabase(transactions, clock=utc_now)
        why = await tenants.read(DEFAULT, partial(why_unused, settings.sample_data))
    if why is not None:
        tell(f"Note: MCP_SAMPLE_DATA has no effect: {why}.")


async def make_tables(settings: Settings, grant_to: str | None) -> None:
    """Create or upgrade the tables, create the tenant `default`, and grant the role `grant_to` what serving needs.

    Raises: CommandError, DatabaseNotReadyError.
    """
    url = resolve_url(settings.database_url.get_secret_value())
    if grant_to is not None and url.get_backend_name() == "sqlite":
        raise commands.CommandError("SQLite has no roles: leave --grant-to out.")
    clock = in_zone(zone_of(settings))
    async with open_engine(url, statement_s=LONGEST_STATEMENT_S) as engine:
        standing = await migrate(engine, fill=filler(settings.sample_data, clock), clock=clock, grant_to=grant_to)
    tell(standing.sentence("ticket database"))


@asynccontextmanager
async def opened(settings: Settings, *, samples: bool = True) -> AsyncIterator[Transactions]:
    """Open the database for an operator; fill a new one if `samples`. Raises: DatabaseNotReadyError."""
    url = resolve_url(settings.database_url.get_secret_value())
    clock = in_zone(zone_of(settings))
    async with open_engine(url) as engine:
        await prepare(engine, fill=filler(settings.sample_data, clock) if samples else None, clock=clock)
    async with open_transactions(url) as transactions:
        yield transactions


async def tenant(settings: Settings, options: argparse.Namespace) -> None:
    """Run a `tenant` command. Raises: CommandError, DatabaseNotReadyError, DatabaseBusyError."""
    clock = in_zone(zone_of(settings))
    async with opened(settings) as transactions:
        if options.action == "list":
            await show_tenants(transactions)
        elif options.action == "add":
            fill = filler(options.sample, clock)
            more = {"name": options.name, "fill": fill, "may_administer": options.admin}
            show_key(await commands.add_tenant(transactions, options.id, now=clock(), **more))
        elif options.action in departure.DEPARTURES:
            await departure.run(resolve_url(settings.database_url.get_secret_value()), transactions, options, clock)
        elif options.action == "new-key":
            made = await commands.add_key(transactions, options.id, now=clock(), may_administer=options.admin)
            show_key(made)
        else:
            whose = await commands.owner_of_key(transactions, options.key_id)
            if not options.yes and not confirmed(f"Revoke the key {options.key_id} of the tenant {whose}?"):
                raise commands.CommandError("Nothing was changed: answer y, or pass --yes to run without a prompt.")
            await commands.revoke_key(transactions, whose, options.key_id, now=clock())
            tell(f"The key {options.key_id} of {whose} is revoked. Every server refuses it within 30 s.")


async def administer(settings: Settings, options: argparse.Namespace) -> int:
    """Run a command on the data of one tenant. Raises: CommandError, ApiError, DatabaseNotReadyError.

    A database that such a command creates begins empty, unless the operator asked for samples. One that only reads
    creates none, but works on one that is thrown away.
    """
    clock = in_zone(zone_of(settings))
    for sentence in elsewhere(settings):
        tell(f"Note: {sentence}")
    wants_samples = "sample_data" in settings.model_fields_set
    is_new = is_missing(settings)
    only_reads = getattr(options, "dry_run", False) or getattr(options, "action", "") == "list"
    with TemporaryDirectory() as folder:
        if is_new and only_reads:
            settings = settings.model_copy(update={"database_url": SecretStr(f"sqlite:///{folder}/tried.sqlite3")})
        async with opened(settings, samples=wants_samples) as transactions:
            if is_new and not wants_samples:
                made = "There is no database yet; a command that changes something makes one" if only_reads else MADE
                tell(f"Note: {made}, and it begins empty. `usual-choices` fills its lists.")
            await commands.require_tenant(transactions, options.tenant)
            session = Session(TenantDatabase(transactions, clock=clock), options.tenant, clock)
            work: Command = options.work
            return await work(session, options)


def is_missing(settings: Settings) -> bool:
    """Return whether the database is an SQLite file that is not there yet."""
    url = resolve_url(settings.database_url.get_secret_value())
    return url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists()


def elsewhere(settings: Settings) -> Iterator[str]:
    """Yield a sentence if the tools use another ticket API than the database that a command is about to change."""
    address = dotenv.settings_of(Settings.dotenv_path, os.environ).get("MCP_API_BASE_URL", EMBEDDED)
    if address != EMBEDDED:
        where = resolve_url(settings.database_url.get_secret_value()).set(username=None, password=None, query={})
        yield (
            f"MCP_API_BASE_URL names another ticket API ({urlsplit(address).hostname}). This command works on the "
            f"database {where.set(drivername=where.get_backend_name())} (MCP_DATABASE_URL), and reaches that API only "
            "if it uses this database."
        )


async def show_tenants(transactions: Transactions) -> None:
    """Print every tenant, followed by its keys."""
    for one, keys in await commands.list_tenants(transactions):
        print(f"{one['id']}  {one['name']}  created {show_moment(one['created_at'])}")  # noqa: T201
        for key in keys:
            end = f"revoked {show_moment(key['revoked_at'])}" if key["revoked_at"] else "valid"
            admin = "  may administer" if key["may_administer"] else ""
            print(f"  key {key['id']}  created {show_moment(key['created_at'])}  {end}{admin}")  # noqa: T201


def show_key(made: commands.CreatedKey) -> None:
    """Print the key to stdout, alone; the explanation goes to stderr."""
    tell(f"Key {made.id} was created. Save it now, it is not shown again:")
    print(made.key)  # noqa: T201 - the only place where a key is output


def confirmed(question: str) -> bool:
    """Ask the operator for confirmation; without a terminal, return False."""
    return sys.stdin.isatty() and input(f"{question} [y/N] ").strip().lower() == "y"


def tell(sentence: str) -> None:
    """Print a message for the operator."""
    print(sentence, file=sys.stderr)  # noqa: T201 - a program on the command line


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog=command_of("ticket_api"), description=__doc__)
    parts = parser.add_subparsers(dest="command")
    parser.set_defaults(command="serve")
    parts.add_parser("serve", help="serve until a signal (the default)")
    tables = parts.add_parser("migrate", help="create or upgrade the tables, as their owner; create tenant `default`")
    tables.add_argument("--grant-to", metavar="ROLE", help="PostgreSQL: plain role that serves; grant it what it needs")
    actions = parts.add_parser("tenant", help="manage tenants (organisations) and their API keys").add_subparsers(
        dest="action", required=True
    )
    add = actions.add_parser("add", help="add a tenant and print its first key")
    add.add_argument("id", metavar="ID")
    add.add_argument("--name", help="display name (default: the id)")
    add.add_argument("--sample", choices=("en", "ja", "none"), default="none", help="sample data (default: none)")
    actions.add_parser("list", help="list all tenants and the ids of their keys")
    another = actions.add_parser("new-key", help="print another key; the others stay valid")
    another.add_argument("id", metavar="ID")
    for one in (add, another):
        one.add_argument("--admin", action="store_true", help="the key may change master data and import tickets")
    departure.add_parsers(actions)
    revoke = actions.add_parser("revoke-key", help="revoke a key")
    revoke.add_argument("key_id", metavar="KEY_ID")
    revoke.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    command_line.add_parsers(parts)
    tickets_command_line.add_parser(parts)
    return parser


def level_of(settings: Settings, command: str) -> str:
    """Return the level of the log; to a person at a terminal the result of a command says what its audit line does."""
    is_for_a_person = command != "serve" and sys.stderr.isatty()
    return "WARNING" if is_for_a_person and settings.log_level == "INFO" else settings.log_level


def main() -> int:
    """Run the command that the command line and the environment specify; return the exit code."""
    options = parser().parse_args()
    try:
        settings = load(TicketApiSettings if options.command == "serve" else Settings)
        service = service_context("ticket-api", openapi.VERSION)
        configure_logging(level=level_of(settings, options.command), service=service)
        for sentence in notes(settings):
            tell(f"Note: {sentence}")
        if isinstance(settings, TicketApiSettings):
            with exporting(settings.otlp_endpoint, service):
                serve(settings)
        elif options.command == "migrate":
            asyncio.run(make_tables(settings, options.grant_to))
        elif options.command == "tenant":
            asyncio.run(tenant(settings, options))
        else:
            return asyncio.run(administer(settings, options))
    except ApiError as error:
        tell(explained(error))
        return 2
    except REFUSALS as error:
        tell(str(error))
        return 2
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


if __name__ == "__main__":
    sys.exit(main())
