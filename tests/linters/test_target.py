"""The target for `mcpgt` calls every tool, and its script makes the database that the server had."""

import sqlite3
import tomllib
from contextlib import closing
from pathlib import Path

from shared.mcp_tools.catalog import TOOLS
from tests.databases import run_aside
from tests.linters.__main__ import CALLS, fill, script_of, write_target


def test_every_tool_is_called() -> None:
    assert [*CALLS] == [spec.name for spec in TOOLS]


def test_the_script_makes_an_equal_database(tmp_path: Path) -> None:
    database, copy = tmp_path / "tickets.sqlite3", tmp_path / "copy.sqlite3"
    run_aside(fill(database))
    with closing(sqlite3.connect(copy)) as connection:
        connection.executescript("\n".join(script_of(database)))

    contents = []
    for path in (database, copy):
        with closing(sqlite3.connect(path)) as connection:
            tables = ("tickets", "ticket_history", "ticket_pieces_data", "ticket_pieces_idx", "ticket_pieces_docsize")
            contents.append([connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables])  # noqa: S608 - constants
    assert contents[0] == contents[1]
    assert len(contents[0][0]) == 50


def test_the_target_can_be_read(tmp_path: Path) -> None:
    write_target(tmp_path)

    target = tomllib.loads((tmp_path / "target.toml").read_text("utf-8"))
    assert {tool["name"]: tool["arguments"] for tool in target["tools"]} == CALLS
    assert [path.name for path in (tmp_path / "seed").iterdir()] == ["tickets.sql"]
