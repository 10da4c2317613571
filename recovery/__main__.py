"""Back up, restore and check what this program stores.

`backup` copies the SQLite files of MCP_DATABASE_URL while a server uses them; `restore` puts such a copy back; `check`
looks at databases after a restore, also on PostgreSQL, which has backups of its own (docs/recovery.md).

Exit codes: 0 success; 1 a check found something; 2 refused or failed, with one sentence why.
"""

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from auth.store.migrate import prepare as prepare_identity
from auth.store.peppers import Secrets
from recovery.backup import IDENTITY, TICKETS, Backup, make_backup
from recovery.check import Inspection, check_identity, check_tickets
from recovery.files import RecoveryError
from recovery.restore import restore
from shared.command_lines import data_command_line
from shared.config import IdentitySettings, load
from shared.environment import SettingsError
from shared.storage.database import open_engine, resolve_url
from shared.storage.migrations import DatabaseNotReadyError
from shared.telemetry import configure_logging
from shared.time_zones import utc_now
from ticket_api.migrate import migrate

FOLDER: Final = "backups"
"""Of backups, beside the database."""
KEEP_SECRETS: Final = (
    "MCP_IDENTITY_KEYS is not in the backup. Keep it elsewhere, as carefully: without it every key and every upstream "
    "key in the backup is useless."
)


def back_up(settings: IdentitySettings, options: argparse.Namespace) -> int:
    """Make a backup. Raises: RecoveryError."""
    places = places_of(settings)
    parent = options.to or places[TICKETS].parent / FOLDER
    there = {name: file for name, file in places.items() if name == TICKETS or file.exists()}
    made = make_backup(there, parent, utc_now())
    say(f"{made.folder} holds {', '.join(one.name for one in made.files)}; each copy was checked.")
    if IDENTITY in there:
        say(KEEP_SECRETS)
        return tell_misfits(settings, made.folder / IDENTITY)
    return 0


def put_back(settings: IdentitySettings, options: argparse.Namespace) -> int:
    """Restore a backup. Raises: RecoveryError, DatabaseNotReadyError."""
    backup = Backup.read(options.folder)
    ready = {TICKETS: upgrade_tickets, IDENTITY: upgrade_identity}
    places = places_of(settings)
    asyncio.run(restore(backup, places, ready, may_replace=options.replace))
    say(f"Restored what was stored at {backup.made_at}. Start the server, then look: {command('check')}")
    has_identity = any(one.name == IDENTITY for one in backup.files)
    return tell_misfits(settings, places[IDENTITY]) if has_identity else 0


def check(settings: IdentitySettings, options: argparse.Namespace) -> int:
    """Check both databases, or one. Raises: RecoveryError, DatabaseNotReadyError."""
    found = []
    if options.what != "identity":
        found.append(asyncio.run(check_tickets(settings.database_url.get_secret_value())))
    if settings.identity_keys and options.what != "tickets":
        found.append(asyncio.run(check_identity(settings.identity_database_url, secrets_of(settings), utc_now())))
    for one in found:
        for line in one.counts:
            print(line)  # noqa: T201 - the result
    return tell_problems(found)


async def upgrade_tickets(file: Path) -> None:
    """Upgrade a ticket database. Raises: DatabaseNotReadyError."""
    async with open_engine(resolve_url(f"sqlite:///{file.as_posix()}")) as engine:
        await migrate(engine, fill=None, clock=utc_now)


async def upgrade_identity(file: Path) -> None:
    """Upgrade an identity store. Raises: DatabaseNotReadyError."""
    async with open_engine(resolve_url(f"sqlite:///{file.as_posix()}")) as engine:
        await prepare_identity(engine)


def places_of(settings: IdentitySettings) -> dict[str, Path]:
    """Return the files of both databases. Raises: RecoveryError."""
    urls = {TICKETS: settings.database_url.get_secret_value(), IDENTITY: settings.identity_database_url}
    resolved = {name: resolve_url(url) for name, url in urls.items()}
    if resolved[TICKETS].get_backend_name() != "sqlite":
        raise RecoveryError(
            "MCP_DATABASE_URL is a PostgreSQL database, which has backups of its own: docs/recovery.md says which."
        )
    return {name: Path(str(url.database)) for name, url in resolved.items()}


def tell_misfits(settings: IdentitySettings, identity: Path) -> int:
    """Say whether MCP_IDENTITY_KEYS fits an identity store, and return the exit code."""
    if not settings.identity_keys:
        say("MCP_IDENTITY_KEYS is not set here, so whether it fits was not checked.")
        return 0
    url = f"sqlite:///{identity.as_posix()}"
    try:
        return tell_problems([asyncio.run(check_identity(url, secrets_of(settings), utc_now()))])
    except DatabaseNotReadyError as error:  # backed up before an upgrade
        say(f"Whether MCP_IDENTITY_KEYS fits was not checked: {error}")
        return 0


def tell_problems(found: Sequence[Inspection]) -> int:
    """Say what is wrong, and return the exit code."""
    problems = [problem for one in found for problem in one.problems]
    for problem in problems:
        say(f"Wrong: {problem}")
    return 1 if problems else 0


def secrets_of(settings: IdentitySettings) -> Secrets:
    """Return the secrets of the deployment."""
    return Secrets([key.get_secret_value() for key in settings.identity_keys])


def command(name: str) -> str:
    """Return how the user of this program runs one of these commands."""
    return data_command_line(name, "recovery")


def say(sentence: str) -> None:
    """Say something to the person who typed the command."""
    print(sentence, file=sys.stderr)  # noqa: T201 - a program on the command line


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="recovery", description=__doc__)
    parts = parser.add_subparsers(dest="command", required=True)
    backup = parts.add_parser("backup", prog=command("backup"), help="copy the SQLite files into a folder")
    backup.add_argument("--to", metavar="FOLDER", type=Path, help=f"default: `{FOLDER}` beside the database")
    backup.set_defaults(work=back_up)
    back = parts.add_parser("restore", prog=command("restore"), help="put a backup back; stop the server first")
    back.add_argument("folder", metavar="BACKUP", type=Path, help="a folder that `backup` made")
    back.add_argument("--replace", action="store_true", help="delete what is in the present databases")
    back.set_defaults(work=put_back)
    look = parts.add_parser("check", prog=command("check"), help="check the databases and count what they hold")
    look.add_argument("what", nargs="?", choices=("tickets", "identity"), help="for a role that may see only one")
    look.set_defaults(work=check)
    return parser


def main() -> int:
    """Run the command of the command line; return the exit code."""
    options = parser().parse_args()
    try:
        settings = load(IdentitySettings)
        configure_logging(level="WARNING")
        code: int = options.work(settings, options)
    except (RecoveryError, DatabaseNotReadyError, SettingsError, ValueError) as error:
        say(str(error))
        return 2
    return code


if __name__ == "__main__":
    sys.exit(main())
