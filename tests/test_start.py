"""What a start waits for: over STDIO neither for the libraries of the database, nor for the database."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.processes import ROOT, Process, environment, free_port, sqlite
from tests.stdio_door import encoded, stdio_door
from tests.transport.sse_client import initialize_params

LATE: Final = frozenset({"sqlalchemy", "alembic", "fastapi", "aiosqlite", "asyncpg", "ticket_api", "redis"})
"""What no client waits for over STDIO."""
MAKE_STDIO: Final = """
import mcp_server
settings = mcp_server.load(mcp_server.StdioSettings)
service = mcp_server.TicketService(settings, says_whose_tickets=True)
"""
MAKE_HTTP: Final = "import cloud_mcp_server; cloud_mcp_server.CloudMCPServer()"


SERVE: Final = """
import atexit, gc, sys
from {module} import main
sys.argv[1:] = {arguments}
atexit.register(lambda: print(gc.get_freeze_count(), "objects are not looked at for garbage"))
sys.exit(main())
"""


def imported_by(code: str, **settings: str) -> set[str]:
    """Return the packages that a program has imported after `code`."""
    report = "import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    program = [sys.executable, "-c", f"{code}\n{report}"]
    done = subprocess.run(
        program, cwd=ROOT, env=environment(**settings), capture_output=True, text=True, check=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_over_stdio_the_server_is_made_without_what_its_database_needs(tmp_path: Path) -> None:
    assert not LATE & imported_by(MAKE_STDIO, MCP_DATABASE_URL=sqlite(tmp_path))


@pytest.mark.parametrize("settings", [{}, {"MCP_BROKER_URL": "redis://127.0.0.1:1"}], ids=["one", "several"])
def test_over_http_the_client_of_valkey_is_imported_for_several_instances_alone(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    given = {"MCP_ALLOW_ANONYMOUS": "true", "MCP_DATABASE_URL": sqlite(tmp_path), **settings}

    assert ("redis" in imported_by(MAKE_HTTP, **given)) is ("MCP_BROKER_URL" in settings)


@pytest.mark.parametrize(
    ("module", "arguments"), [("cloud_mcp_server", []), ("ticket_api.__main__", ["serve"])], ids=["MCP", "ticket API"]
)
def test_what_the_start_made_is_not_looked_at_for_garbage_while_calls_wait(
    tmp_path: Path, module: str, arguments: list[str]
) -> None:
    settings = {"MCP_ALLOW_ANONYMOUS": "true", "MCP_DATABASE_URL": sqlite(tmp_path), "PORT": str(free_port())}
    with Process(("-c", SERVE.format(module=module, arguments=arguments)), **settings) as server:
        server.wait_until_ready()
    found = re.search(r"(\d+) objects are not looked at", server.said)
    assert found is not None
    assert int(found[1]) > 50_000


async def test_a_client_is_answered_while_the_database_does_not_open(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "tickets.sqlite3", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        async with stdio_door(tmp_path) as door:
            initialized = await door.request("initialize", initialize_params())
            await door.send(encoded({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            listed = await door.request("tools/list")
            early = asyncio.create_task(door.call("get_statuses"))
            assert "stdio_started" not in door.log()
            other.execute("COMMIT")
            statuses = await early
    other.close()

    assert initialized["result"]["serverInfo"]["name"] == "ticket-server"
    assert listed["result"]["tools"]
    assert statuses["isError"] is False


async def test_a_call_that_waits_for_a_database_that_never_opens_is_not_the_end_of_words(tmp_path: Path) -> None:
    """The program ends with its sentence, as it did when a client waited for `initialize`."""
    async with stdio_door(tmp_path, MCP_DATABASE_URL="sqlite:////tmp") as door:
        await door.send(encoded({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize_params()}))
        code = await asyncio.wait_for(door.process.wait(), 30)

    assert code == 2
    assert "The ticket server cannot start." in door.log()
