"""This machine: where things are, what processes inherit, what the user reads."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn

from shared import dotenv

ROOT: Final = Path(__file__).resolve().parent.parent
NEWEST: Final = (3, 14)
"""The newest version of Python that was tested."""
VERSION: Final = "{}.{}".format(*sys.version_info[:2])
_HIDDEN: Final = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSAFEPATH"})
"""Variables that would expose another Python's modules or hide ours."""


def say(sentence: str) -> None:
    """Print a message for the user; on stderr, because stdout belongs to MCP when a client starts this program."""
    print(f"run.py: {sentence}", file=sys.stderr, flush=True)


def stop(sentence: str) -> NoReturn:
    """Exit with code 1 and `sentence`, which says what to do next."""
    sys.exit(f"run.py: {sentence}")


def settings() -> Mapping[str, str]:
    """Return the settings in the checkout's `.env`, which the servers read too, and in the environment, which wins."""
    try:
        return dotenv.settings_of(ROOT / ".env", os.environ)
    except dotenv.DotenvError as error:
        stop(str(error))


def inherited_environment() -> dict[str, str]:
    """Return the environment without variables that would expose another Python's modules or hide ours."""
    return {name: value for name, value in os.environ.items() if name not in _HIDDEN}


def cache_folder() -> Path:
    """Return the folder of test environments and tool caches, outside the checkout; it may be deleted at any time."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mcp-ticket-server"


def become(python: str, program: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Replace this process with Python running `program`, so that signals and standard streams reach it directly."""
    command = [python, *program]
    if os.name == "posix":
        os.execve(python, command, env)  # noqa: S606 - no shell is needed
    with subprocess.Popen(command, env=env) as door:  # Windows has no exec that keeps the console
        while True:
            # The console sends Ctrl-C to both processes; the server drains, this process waits for it.
            with contextlib.suppress(KeyboardInterrupt):
                sys.exit(door.wait())
