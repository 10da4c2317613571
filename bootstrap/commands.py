"""The commands of `run.py`."""

import argparse
import difflib
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn

from bootstrap import development, doctor, first_start
from bootstrap.environments import server_environment
from bootstrap.machine import ROOT, become, inherited_environment, say, settings, stop
from bootstrap.ports import is_loopback, refuse_a_taken_port

_STDIO_HELP: Final = """\
usage: run.py stdio

Serves one client over standard input and output. Assistants start it themselves; in their JSON configuration:

{entry}

Run by hand it waits for messages of a client; Ctrl-C ends it. It has no options. Its settings are environment
variables, or lines of `.env` in the checkout; README.md lists them."""


def serve(arguments: Sequence[str]) -> NoReturn:
    """Start the HTTP server. Without a key it listens on loopback only, where it then serves every caller."""
    given = settings()
    host, port = given.get("MCP_HOST", "127.0.0.1"), given.get("PORT", given.get("MCP_PORT", "8080"))
    parser = argparse.ArgumentParser(
        prog="run.py",
        usage="run.py [--host HOST] [--port PORT]   or   run.py COMMAND [...]",
        description=overview(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default=host, help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=port, help="port to listen on (default: %(default)s)")
    parser.add_argument("--version", action="version", version=f"ticket-server {version()}")
    options = parser.parse_args(arguments)

    env = dict(inherited_environment(), MCP_HOST=options.host, PORT=str(options.port))
    if not given.keys() & {"MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"}:
        if not is_loopback(options.host):
            stop(
                f"{options.host} can be reached from other machines, so a key is needed: set MCP_MCP_API_KEY,\n"
                "or MCP_IDENTITY_KEYS to give each user a key (docs/identity.md).\n"
                'To generate a value: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        env.setdefault("MCP_ALLOW_ANONYMOUS", "true")
    refuse_a_taken_port(options.host, options.port)
    become(server_environment().made(), [str(ROOT / "cloud_mcp_server.py")], env)


def stdio(arguments: Sequence[str]) -> NoReturn:
    """Start the STDIO server."""
    if arguments and arguments[0] in {"--help", "-h"}:
        print(_STDIO_HELP.format(entry=entry()))
        sys.exit(0)
    if arguments:
        stop("`stdio` takes no arguments; its settings are environment variables, listed in README.md.")
    first_start.start()


def entry() -> str:
    """Return the entry for a client's JSON configuration that starts this checkout with this Python."""
    path = str(ROOT / "run.py").replace("\\", "\\\\")
    python = sys.executable.replace("\\", "\\\\")
    return f'  {{ "mcpServers": {{ "tickets": {{ "command": "{python}", "args": ["{path}", "stdio"] }} }} }}'


def set_up(arguments: Sequence[str]) -> NoReturn:
    """Make the environment of the servers, or check the one that is there and make it again if it is broken."""
    if arguments:
        stop("`setup` takes no arguments.")
    environment = server_environment()
    if environment.is_ready() and (problems := environment.problems()):
        say(f"{environment.folder} is broken:\n{problems}")
        environment.discard()
    environment.make()
    say(f"{environment.folder} is complete and works. Start the server: python3 run.py")
    sys.exit(0)


def run_module(module: str, arguments: Sequence[str]) -> NoReturn:
    """Run a command line of the checkout, which has its own help, in the environment of the servers."""
    python = server_environment().made()
    os.chdir(ROOT)  # where Python finds the package
    become(python, ["-m", module, *arguments], inherited_environment())


def run_recovery(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a command that backs up, restores or checks the data."""
    run_module("recovery", [name, *arguments])


def run_data_command(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a command on the data of an organisation: people, accounts, categories and so on."""
    run_module("ticket_api", [name, *arguments])


class Command(NamedTuple):
    """A command, and the line about it."""

    run: Callable[[Sequence[str]], NoReturn]
    does: str


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
"""Commands on the data of an organisation, which `python -m ticket_api` has too."""
RECOVERY: Final = MappingProxyType({
    "backup": "copy the databases of this machine into a folder, while a server runs",
    "restore": "put such a copy back",
    "check": "check the databases, and count what they hold",
})  # fmt: skip
"""Commands on the databases, which `python -m recovery` has too: docs/recovery.md."""
USERS: Final = MappingProxyType({
    "stdio": Command(stdio, "the STDIO server, for a client's configuration"),
    "setup": Command(set_up, "make or repair the environment, and start nothing"),
    "doctor": Command(doctor.run, "say what is wrong on this machine or in the settings, and what to do"),
    "auth": Command(partial(run_module, "auth"), "organisations, users, service accounts, API keys, audit"),
    "ticket-api": Command(partial(run_module, "ticket_api"), "the ticket API as a server of its own"),
    **{name: Command(partial(run_data_command, name), does) for name, does in DATA.items()},
    **{name: Command(partial(run_recovery, name), does) for name, does in RECOVERY.items()},
})  # fmt: skip
DEVELOPERS: Final = MappingProxyType({
    "test": Command(development.test, "all checks; with arguments, only pytest; --long [PART] for the long tests"),
    "mutants": Command(partial(development.run_tool, ["tests/mutants.py"]), "break the code and watch the tests fail"),
    "chaos": Command(partial(development.run_tool, ["-m", "tests.chaos"]), "break servers in the middle of calls"),
    "bench": Command(partial(development.run_tool, ["-m", "bench"]), "measure this server beside others"),
    "renew": Command(partial(development.run_tool, ["-m", "tests.renew"]), "rewrite tables that repeat code"),
    "bundle": Command(partial(development.run_tool, ["-m", "tests.bundle"]), "pack the extension for Claude Desktop"),
    "demo-outage": Command(development.demo_outage, "two instances, killed while a client works: half a minute"),
})  # fmt: skip
COMMANDS: Final = MappingProxyType({**USERS, **DEVELOPERS})


def overview() -> str:
    """Return the list of commands, those of users first."""
    lines = ["python3 run.py starts the HTTP server. Other commands:"]
    lines += (f"  {name:21}{command.does}" for name, command in USERS.items())
    lines += ["", "for the development of this server:"]
    lines += (f"  {name:21}{command.does}" for name, command in DEVELOPERS.items())
    return "\n".join(lines)


def version() -> str:
    """Return the version of this checkout."""
    found = re.search(r'^version = "(.*)"$', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    return found[1] if found else "unknown"


def main(arguments: Sequence[str]) -> NoReturn:
    """Dispatch to one of the commands; without a command, serve."""
    # SIGTERM must also end the commands of a set-up, which happens when this process is unwound.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        if arguments and not arguments[0].startswith("-"):
            name = arguments[0]
            if name not in COMMANDS:
                near = difflib.get_close_matches(name, COMMANDS, n=1)
                hint = f" Did you mean `{near[0]}`?" if near else ""
                say(f"there is no command `{name}`.{hint}\n\n{overview()}")
                sys.exit(2)
            COMMANDS[name].run(arguments[1:])
        serve(arguments)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
