"""What the servers of one run need: a folder, a filled ticket database, a key of a person, other environments."""

import asyncio
import json
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from sqlite3 import connect
from typing import Final

from bench.process import LOAD_CORE, running_on
from bootstrap.environments import cached_environment
from tests.processes import IDENTITY_KEY, ROOT, environment
from tests.scale.build import build
from tests.scale.rows import tenant_named
from tests.ticket_api.conftest import make
from tests.valkey import valkey_server

ENVIRONMENTS: Final = Path(__file__).with_name("environments")
MANY, FEW = "half", "small-00"
"""Tenants of tests/scale/rows.py: with 50,000 tickets, and with 1,000 for a quick run."""


class Lab:
    """Makes what servers need, each thing once a run and only if it is needed.

    Args:
        folder: takes databases and logs.
        running: ends what was started.
        is_quick: whether 1,000 tickets are enough.
    """

    def __init__(self, folder: Path, running: ExitStack, *, is_quick: bool = False) -> None:
        self._folder = folder
        self._running = running
        self._tenant = FEW if is_quick else MANY
        self._numbers = count(1)
        self._copies: list[Path] = []

    def new_path(self, name: str) -> Path:
        """Return a path that is not in use."""
        return self._folder / f"{next(self._numbers)}-{name}"

    @cached_property
    def _filled(self) -> Path:
        path = self.new_path("filled.sqlite3")
        tenant = replace(tenant_named(self._tenant), id="default")

        async def fill() -> None:
            await make(_url(path), "none")
            await build(_url(path), [tenant])

        asyncio.run(fill())
        return path

    def ticket_database(self) -> str:
        """Return the URL of a filled database for one server."""
        self._copies.append(self.new_path("tickets.sqlite3"))
        return _url(Path(shutil.copyfile(self._filled, self._copies[-1])))

    def tidy(self) -> None:
        """Delete the ticket databases of servers that have ended: each has 160 MB."""
        for path in self._copies:
            path.unlink()
        self._copies.clear()

    @cached_property
    def valkey_url(self) -> str:
        """The address of a Valkey server, on the core of the load."""
        with running_on(LOAD_CORE):
            return self._running.enter_context(valkey_server("--appendonly", "no")).url

    def identity(self, database: str | None = None) -> tuple[dict[str, str], str]:
        """Return the settings of a new identity store beside a database, and an administrator's key in it."""
        settings = {
            "MCP_DATABASE_URL": database or _url(self.new_path("door.sqlite3")),
            "MCP_IDENTITY_KEYS": IDENTITY_KEY,
        }
        made = subprocess.run(
            [sys.executable, "-m", "auth", "first-key", "bench@example.com", "--json"],
            cwd=ROOT, env=environment(**settings), capture_output=True, check=True, text=True, encoding="utf-8",
        )  # fmt: skip
        return settings, json.loads(made.stdout)["key"]

    def python(self, name: str) -> str:
        """Return the Python of one of the environments of `bench`, made if need be."""
        return cached_environment(ENVIRONMENTS / f"{name}.txt", name=f"bench-{name}")

    def toolbox(self) -> tuple[Path, Path]:
        """Return the program of MCP Toolbox, and a configuration with one tool that asks SQLite."""
        packages = Path(self.python("toolbox")).parent.parent
        (program,) = packages.glob("**/toolbox_server/bin/toolbox")
        program.chmod(0o755)
        database, settings = self.new_path("toolbox.sqlite3"), self.new_path("toolbox.json")
        with closing(connect(database)) as tables, tables:
            tables.execute("CREATE TABLE texts (text TEXT PRIMARY KEY)")
            tables.execute("INSERT INTO texts VALUES ('hello')")
        settings.write_text(json.dumps(_toolbox_settings(database)), "utf-8")  # every JSON is YAML
        return program, settings


def _url(path: Path) -> str:
    return f"sqlite:///{path.as_posix()}"


def _toolbox_settings(database: Path) -> dict[str, object]:
    parameter = {"name": "text", "type": "string", "description": "Text to find."}
    echo = {
        "kind": "sqlite-sql",
        "source": "texts",
        "description": "Return the text.",
        "statement": "SELECT text FROM texts WHERE text = ?",
        "parameters": [parameter],
    }
    return {"sources": {"texts": {"kind": "sqlite", "database": str(database)}}, "tools": {"echo": echo}}
