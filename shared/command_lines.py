"""How a user of this program runs another one of this repository: by run.py, as installed, or as a module."""

import sys
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).resolve().parent.parent


def is_installed(code: Path) -> bool:
    """Return whether the modules in the folder `code` were installed there as a package, and are no checkout."""
    return any(code.glob("mcp_ticket_server-*.dist-info"))


IS_INSTALLED: Final = is_installed(CHECKOUT)


def command_line(module: str) -> str:
    """Return the command that runs `module`. Only the environment that run.py made can be used by it alone.

    Outside of that environment, for example in the container image, this Python has the packages.
    """
    name = module.replace("_", "-")
    if is_of_run_py():
        return f"python3 run.py {name}"
    return f"ticket-server {name}" if IS_INSTALLED else f"python -m {module}"


def data_command_line(name: str, module: str = "ticket_api") -> str:
    """Return the command `name` of `module` on the data, for example `users`, which run.py has too."""
    if is_of_run_py():
        return f"python3 run.py {name}"
    return f"ticket-server {name}" if IS_INSTALLED else f"python -m {module} {name}"


def is_of_run_py() -> bool:
    """Whether this Python is that of the environment which run.py makes and starts every program in."""
    return Path(sys.prefix) == CHECKOUT / ".venv"
