"""The target for `mcpgt` calls every tool, and its script makes the database that the server had."""

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path
from typing import Final

from shared.mcp_tools.catalog import TOOLS
from tests.databases import run_aside
from tests.linters.__main__ import CALLS, fill, script_of, write_target

PAIR: Final = '"1|si"'


def test_every_tool_is_called() -> None:
    assert [*CALLS] == [spec.name for spec in TOOLS]


def test_the_script_makes_an_equal_database(tmp_path: Path) -> None:
    database, copy = tmp_path / "tickets.sqlite3", tmp_path / "copy.sqlite3"
    run_aside(fill(database))
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript("\n".join(script_of(database)))

    for path in (database, copy):
        with closing(sqlite3.connect(path)) as connection:
            found = connection.execute(
                "SELECT rowid FROM ticket_pieces WHERE ticket_pieces MATCH '\"1|vp\"'"
            ).fetchall()
            rows = connection.execute("SELECT * FROM tickets ORDER BY id").fetchall()
        if path == database:
            expected = (found, rows)
    assert (found, rows) == expected
    assert len(rows) == 50
    assert found


def test_the_target_can_be_read(tmp_path: Path) -> None:
    write_target(tmp_path)

    target = tomllib.loads((tmp_path / "target.toml").read_text("utf-8"))
    assert {tool["name"]: tool["arguments"] for tool in target["tools"]} == CALLS
    assert [path.name for path in (tmp_path / "seed").iterdir()] == ["tickets.sql"]
