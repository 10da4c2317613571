"""The command line `tickets import FILE.csv`."""

import argparse
from typing import Any, get_args

from shared.command_lines import data_command_line
from ticket_api.administration.command_line import finish
from ticket_api.administration.session import Session
from ticket_api.importing.command import Import
from ticket_api.importing.options import FileOptions, add_file_options
from ticket_api.importing.ticket_columns import DateOrder


def add_parser(parts: Any) -> None:
    """Add the command `tickets`."""
    does = "import tickets from a CSV file"
    command = parts.add_parser("tickets", prog=data_command_line("tickets"), help=does, description=f"{does}.")
    actions = command.add_subparsers(dest="action", required=True)
    load = actions.add_parser("import", help="store each row as a ticket, once: by its external id")
    add_file_options(load)
    load.add_argument("--dates", choices=get_args(DateOrder), help="order of day and month where a date leaves it open")
    finish(load, import_tickets, has_dry_run=False)


async def import_tickets(session: Session, options: argparse.Namespace) -> int:
    """Import a file of tickets. Raises: CsvError, UnknownEncodingError, ImportStoppedError, DatabaseBusyError."""
    run = Import(session.tenants, session.tenant, session.now, session.tell, options.dates)
    return await run.run(FileOptions.of(options))
