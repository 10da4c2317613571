"""`python3 run.py doctor`: what is wrong on this machine or in the settings, and what to do about it.

Changes nothing and sets nothing up. What needs packages is in `bootstrap.services`, which the environment runs.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple, NoReturn

from bootstrap.environments import server_environment
from bootstrap.machine import NEWEST, ROOT, VERSION, inherited_environment, settings, stop
from bootstrap.ports import is_this_server, why_not

_SECRET: Final = ("KEY", "PASSWORD", "SECRET", "TOKEN", "URL")


class Finding(NamedTuple):
    """What one check found."""

    is_wrong: bool
    what: str


def run(arguments: Sequence[str]) -> NoReturn:
    """Print every finding; exit with 1 if something is wrong."""
    if arguments:
        stop("`doctor` takes no arguments.")
    given = settings()  # ends here if `.env` cannot be read
    findings = (*python(), *environment_file(given), *port(given), *environment())
    wrong = sum(map(show, findings))
    ready = server_environment()
    if not ready.is_ready():
        print("        The settings, ticket API, database and broker are checked once the environment is there.")
        sys.exit(1)
    env = inherited_environment()
    if not given.keys() & {"MCP_MCP_API_KEY", "MCP_IDENTITY_KEYS"}:
        env.setdefault("MCP_ALLOW_ANONYMOUS", "true")  # as run.py starts the server
    inside = subprocess.run([str(ready.python), "-m", "bootstrap.services"], cwd=ROOT, env=env, check=False)
    sys.exit(1 if wrong or inside.returncode else 0)


def show(finding: Finding) -> bool:
    """Print a finding; return whether it is wrong."""
    indented = finding.what.replace("\n", "\n        ")
    print(f"{'WRONG' if finding.is_wrong else 'ok':6}  {indented}", flush=True)
    return finding.is_wrong


def python() -> Iterator[Finding]:
    """The Python that runs this."""
    untested = f", newer than the newest tested version ({'.'.join(map(str, NEWEST))})"
    yield Finding(False, f"Python {VERSION} ({sys.executable}){untested if sys.version_info[:2] > NEWEST else ''}")


def environment() -> Iterator[Finding]:
    """The environment of the servers: every file of every package."""
    made = server_environment()
    if not made.is_ready():
        yield Finding(True, f"environment: {made.folder} is not complete. To make it: python3 run.py setup")
    elif problems := made.problems():
        yield Finding(True, f"environment: {made.folder} is broken. To make it again: python3 run.py setup\n{problems}")
    else:
        yield Finding(False, f"environment: {made.folder}")


def environment_file(given: Mapping[str, str]) -> Iterator[Finding]:
    """The file of settings, if there is one."""
    file = ROOT / ".env"
    if not file.is_file():
        yield Finding(False, "no .env: the settings are those of the environment")
    elif os.name == "posix" and file.stat().st_mode & 0o077 and any(_is_secret(name) for name in given):
        yield Finding(True, f".env can be read by other users of this machine. To keep it private: chmod 600 {file}")
    else:
        yield Finding(False, f".env ({file})")


def _is_secret(name: str) -> bool:
    return name.startswith("MCP_") and name.endswith(_SECRET)


def port(given: Mapping[str, str]) -> Iterator[Finding]:
    """The port that the HTTP server would take."""
    host, number = given.get("MCP_HOST", "127.0.0.1"), given.get("PORT", given.get("MCP_PORT", "8080"))
    if not number.isdecimal():
        yield Finding(True, f"port: PORT is {number!r}. Set it to a number from 1024 to 65535.")
    elif why := why_not(host, int(number)):
        yield Finding(not is_this_server(host, int(number)), f"port: {why}")
    else:
        yield Finding(False, f"port {number} is free")
