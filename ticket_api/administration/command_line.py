"""The command lines for master data: `users add`, `accounts list`, `categories remove` and so on."""

import argparse
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from shared.command_lines import data_command_line
from ticket_api.administration import commands, importing
from ticket_api.administration.kinds import CATEGORIES, KINDS, Kind
from ticket_api.administration.session import Command
from ticket_api.importing.options import add_file_options
from ticket_api.tenancy import DEFAULT

Parts = Any
"""What `argparse` returns for subcommands; it has no public name for that."""
USUAL: Final = "usual-choices"
OPTIONS: Final[Mapping[str, dict[str, Any]]] = MappingProxyType({
    "email": {"help": "e-mail address, by which assistants may name the person too"},
    "role": {"help": "for example support or sales"},
    "category_id": {"flag": "--category", "metavar": "ID", "help": "id of the category it belongs to"},
    "completed": {"action": argparse.BooleanOptionalAction, "help": "whether tickets in this status are completed"},
    "parent_category": {"flag": "--group", "metavar": "NAME", "help": "name of a group of response categories"},
    "order_no": {"metavar": "NUMBER", "type": int, "help": "its place in the list (default: last)"},
})  # fmt: skip
"""The options for fields, in the order in which help lists them."""


def add_parsers(parts: Parts) -> None:
    """Add a command for each kind of master data, and the one for usual choices."""
    for kind in KINDS.values():
        what = f"add, list, change and remove {kind.path.replace('-', ' ')}"
        command = parts.add_parser(kind.path, prog=data_command_line(kind.path), help=what, description=f"{what}.")
        _add_actions(command.add_subparsers(dest="action", required=True), kind)
    usual = parts.add_parser(
        USUAL,
        prog=data_command_line(USUAL),
        help="fill empty lists of statuses, channels and categories with usual ones",
        description="Fill lists that are empty with usual statuses, request channels, categories with their details, "
        "and response categories. Lists that have rows stay as they are.",
    )
    usual.add_argument("--language", choices=("en", "ja"), required=True, help="language of their names")
    finish(usual, commands.add_usual)


def _add_actions(actions: Parts, kind: Kind) -> None:
    add = actions.add_parser("add", help=f"add {kind.a}")
    add.add_argument("name", metavar="NAME")
    add.add_argument("--id", help=f"its id (default: the next free one, for example {kind.prefix}9)")
    _add_fields(add, kind, is_new=True)
    if kind is CATEGORIES:
        add.add_argument("--detail", metavar="NAME", action="append", help="a detail of it; may be repeated")
    finish(add, commands.add, kind)
    change = actions.add_parser("change", help=f"change {kind.a}")
    change.add_argument("id", metavar="ID")
    change.add_argument("--name")
    _add_fields(change, kind, is_new=False)
    finish(change, commands.change, kind)
    remove = actions.add_parser("remove", help=f"remove {kind.a} that nothing refers to")
    remove.add_argument("id", metavar="ID")
    finish(remove, commands.remove, kind)
    if kind in importing.COLUMNS:
        load = actions.add_parser("import", help=f"add and change {kind.path} from a CSV file")
        add_file_options(load)
        finish(load, importing.import_file, kind, has_dry_run=False)
    listing = actions.add_parser("list", help=f"list {kind.path.replace('-', ' ')} with their ids")
    finish(listing, commands.show, kind, has_dry_run=False)


def _add_fields(command: argparse.ArgumentParser, kind: Kind, *, is_new: bool) -> None:
    for name, given in OPTIONS.items():
        if name in kind.fields.model_fields:
            more: dict[str, Any] = {"flag": f"--{name.replace('_', '-')}", **given}
            required = is_new and kind.new.model_fields[name].is_required()
            command.add_argument(more.pop("flag"), dest=name, required=required, default=None, **more)


def finish(
    command: argparse.ArgumentParser, work: Command, kind: Kind | None = None, *, has_dry_run: bool = True
) -> None:
    """Add the options of every command on data, and what it does; those for files bring a dry run of their own."""
    command.add_argument("--tenant", metavar="ID", default=DEFAULT, help="organisation (default: %(default)s)")
    if has_dry_run:
        command.add_argument("--dry-run", action="store_true", help="say what would happen, change nothing")
    command.set_defaults(work=work, kind=kind)
