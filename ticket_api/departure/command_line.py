"""The commands `tenant export ID --to FILE` and `tenant erase ID`."""

import argparse
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL

from shared.audit import AuditEvent, LoggedAuditTrail, keep, operator
from shared.storage.transactions import Transactions
from ticket_api.commands import CommandError, require_tenant
from ticket_api.departure.erasing import erase_tenant, overwrite_free_space
from ticket_api.departure.exporting import export_tenant

DEPARTURES: Final = frozenset({"export", "erase"})


def add_parsers(actions: Any) -> None:
    """Add both commands to the actions of `tenant`, for which `argparse` has no public type."""
    export = actions.add_parser("export", help="write all that is stored of a tenant to a file of JSON lines")
    export.add_argument("id", metavar="ID")
    export.add_argument("--to", metavar="FILE", type=Path, required=True, help="a new file; others cannot read it")
    erase = actions.add_parser("erase", help="erase all that is stored of a tenant; PostgreSQL: as the tables' owner")
    erase.add_argument("id", metavar="ID")
    erase.add_argument("--yes-erase", metavar="ID", help="the id once more, to run without a prompt")


async def run(url: URL, transactions: Transactions, options: argparse.Namespace, clock: Callable[[], datetime]) -> None:
    """Run one of both commands. Raises: CommandError, ExportError, DatabaseBusyError."""
    if options.action == "export":
        counts = await export_tenant(url, options.id, options.to, clock=clock)
        _tell(f"{options.to}: {', '.join(f'{table} {count:,}' for table, count in counts.items())}.")
        return
    await require_tenant(transactions, options.id)
    _confirm(options.id, options.yes_erase)
    count = await erase_tenant(transactions, options.id, now=clock(), on_progress=_show_progress)
    done = {"action": "tenant_erased", "outcome": "ok", "detail": f"{count} tickets"}
    await keep(LoggedAuditTrail(), AuditEvent(tenant=options.id, actor=operator(), **done))
    _tell(f"The organisation {options.id} is erased, with {count:,} tickets. Servers refuse its keys within 30 s.")
    if url.get_backend_name() == "sqlite" and not await overwrite_free_space(Path(str(url.database))):
        _tell("Its rows may still be in the free space of the file: stop the servers, then run `VACUUM` on it.")
    _tell("Its users and keys at the MCP server, and its rows in backups, are still there: docs/recovery.md.")


def _confirm(tenant: str, given: str | None) -> None:
    """Return only if the operator has typed the id of the tenant once more. Raises: CommandError."""
    if given is None and sys.stdin.isatty():
        given = input(f"All that is stored of {tenant} will be erased for good. Type its id to go on: ").strip()
    if given != tenant:
        raise CommandError(
            f"Nothing was erased: type the id once more, or pass --yes-erase {tenant} to run without a prompt."
        )


def _show_progress(done: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{done:,} tickets", end="", file=sys.stderr, flush=True)  # noqa: T201 - a terminal


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr)  # noqa: T201 - for the person who typed it
