"""The command line of `tickets import`."""

from typing import Any, Final

from shared.command_lines import data_command_line
from ticket_api.administration.command_line import finish
from ticket_api.importing.command import import_tickets
from ticket_api.importing.options import add_file_options

TICKETS: Final = "tickets"


def add_parser(parts: Any) -> None:
    """Add the command to the subcommands `parts`, for which `argparse` has no public type."""
    what = "import tickets from a CSV file"
    command = parts.add_parser(TICKETS, prog=data_command_line(TICKETS), help=what, description=f"{what}.")
    imported = command.add_subparsers(dest="action", required=True).add_parser(
        "import",
        help="import tickets from a CSV file",
        description="Check every row of a CSV file, then store each as a ticket, unless a ticket has its external id. "
        "So the same import can be repeated, for example after it was stopped. docs/your-data.md names the columns.",
    )
    add_file_options(imported)
    imported.add_argument(
        "--date-order", choices=("dmy", "mdy"), help="how to read dates like 03/04/2026 (default: they are refused)"
    )
    finish(imported, import_tickets, has_dry_run=False)
