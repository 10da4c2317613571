"""The command `ticket-server`: starts a program of this repository where it is installed as a package, without a clone.

Nothing here is for a checkout, where run.py does this and also makes the environment.
"""

import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import metadata
from types import MappingProxyType
from typing import Final, NamedTuple

PACKAGE: Final = "mcp-ticket-server"
KEYS: Final = frozenset({"MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"})


class Program(NamedTuple):
    """A program, and the line about it."""

    run: Callable[[], int]
    does: str
    takes_arguments: bool = False


def stdio() -> int:
    """Serve one client over standard input and output."""
    from mcp_server import main  # noqa: PLC0415 - each program loads what it needs, which takes most of its start

    return main()


def http() -> int:
    """Serve a team; without a key only programs on this machine, as run.py does."""
    from cloud_mcp_server import main  # noqa: PLC0415 - as above
    from shared import dotenv  # noqa: PLC0415
    from shared.config import Settings, default_host, is_loopback  # noqa: PLC0415

    with suppress(dotenv.DotenvError):  # `main` reports it
        given = dotenv.settings_of(Settings.dotenv_path, os.environ)
        if not given.keys() & KEYS and is_loopback(given.get("MCP_HOST", default_host())):
            os.environ.setdefault("MCP_ALLOW_ANONYMOUS", "true")
    return main()


def auth() -> int:
    """Manage organisations, users, service accounts, keys and the audit trail."""
    from auth.__main__ import main  # noqa: PLC0415 - as above

    return main()


def ticket_api() -> int:
    """Serve the ticket API alone, or administer it."""
    from ticket_api.__main__ import main  # noqa: PLC0415 - as above

    return main()


def recovery() -> int:
    """Back up, restore and check the databases."""
    from recovery.__main__ import main  # noqa: PLC0415 - as above

    return main()


DATA: Final = MappingProxyType({
    "users": "your people: add, import, list, change, remove",
    "accounts": "your customers: add, import, list, change, remove",
    "categories": "categories of tickets, with their details",
    "category-details": "details of categories",
    "statuses": "statuses of tickets, and which of them are completed",
    "request-channels": "how requests arrive",
    "response-categories": "kinds of responses",
    "tickets": "import tickets from a CSV file",
    "usual-choices": "fill empty lists of statuses, channels and categories with usual ones",
})  # fmt: skip
"""Commands on the data of an organisation, which `ticket-api` has too; run.py has the same."""
RECOVERY: Final = MappingProxyType({
    "backup": "copy the databases of this machine into a folder, while a server runs",
    "restore": "put such a copy back",
    "check": "check the databases, and count what they hold",
})  # fmt: skip
"""Commands on the databases; run.py has the same."""
COMMANDS: Final = MappingProxyType({
    "stdio": Program(stdio, "one client over standard input and output; a client starts it"),
    "http": Program(http, "a team over Streamable HTTP and HTTP+SSE; http://127.0.0.1:8080 unless set otherwise"),
    "auth": Program(auth, "organisations, users, service accounts, API keys, audit", takes_arguments=True),
    "ticket-api": Program(ticket_api, "the ticket API as a server of its own", takes_arguments=True),
    **{name: Program(ticket_api, does, takes_arguments=True) for name, does in DATA.items()},
    **{name: Program(recovery, does, takes_arguments=True) for name, does in RECOVERY.items()},
})  # fmt: skip


def overview() -> str:
    """Return the list of commands, and where settings and data are."""
    from shared.config import Settings  # noqa: PLC0415 - as above

    return "\n".join([
        "usage: ticket-server COMMAND [...]   or   ticket-server --version",
        "",
        *(f"  {name:21}{command.does}" for name, command in COMMANDS.items()),
        "",
        f"Settings are environment variables, or lines of {Settings.dotenv_path}. Without MCP_DATABASE_URL the",
        f"tickets are in {Settings.dotenv_path.parent / 'data'}. README.md lists all settings.",
    ])  # fmt: skip


def main() -> int:
    """Run the command that the command line names; return the exit code."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in {"--help", "-h", "--version"}:
        print(overview() if name != "--version" else f"ticket-server {metadata.version(PACKAGE)}")  # noqa: T201
        return 0
    command = COMMANDS.get(name)
    if command is None:
        return refused(f"there is no command `{name}`.\n\n{overview()}")
    if not command.takes_arguments and arguments:
        return explained(name, arguments)
    sys.argv = [f"ticket-server {name}", *([name] if name in {**DATA, **RECOVERY} else []), *arguments]
    code = command.run()
    gc.freeze()  # otherwise the interpreter collects garbage before it exits, which takes half a second
    return code


def explained(name: str, arguments: Sequence[str]) -> int:
    """Print what a program without arguments does, or refuse those that it was given."""
    if arguments[0] not in {"--help", "-h"}:
        return refused(f"`{name}` takes no arguments; its settings are environment variables, listed in README.md.")
    print(f"usage: ticket-server {name}\n\nServes {COMMANDS[name].does}.")  # noqa: T201 - asked for
    return 0


def refused(why: str) -> int:
    """Print why nothing was started, and return the exit code."""
    print(f"ticket-server: {why}", file=sys.stderr)  # noqa: T201 - for the person who typed it
    return 2
