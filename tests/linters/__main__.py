"""`python -m tests.linters FOLDER` writes a target for `mcpgt`, which calls every tool and compares the database.

The target is a server over STDIO with the sample tickets. `mcpgt` fills the database anew before each session, from a
script of SQL. The search index is a virtual table without content, so its tables are copied as they are.
"""

import asyncio
import json
import sqlite3
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import ticket_api
from tests.shared.given import TICKET, at_now

ROOT: Final = Path(__file__).resolve().parent.parent.parent
PIECES: Final = "ticket_pieces"
SHADOWS: Final = ("data", "idx", "docsize", "config")
CALLS: Final[Mapping[str, Mapping[str, Any]]] = {
    "get_ticket_list": {},
    "get_ticket_detail": {"ticketId": "TCK-0001"},
    "create_ticket": TICKET,
    "update_ticket": {"ticketId": "TCK-0001", "updatedById": "user2", "summary": "Changed"},
    "add_ticket_history": {"ticketId": "TCK-0001", "userId": "user2", "comment": "Looked at it."},
    "get_users": {},
    "get_accounts": {},
    "get_categories": {},
    "get_category_details": {},
    "get_statuses": {},
    "get_request_channels": {},
    "get_response_categories": {},
    "get_ticket_report": {"groupBy": "status,account"},
    "get_ticket_changes": {"since": "-30d"},
    "find_similar_tickets": {"text": "Freelancers cannot sign in"},
    "update_tickets": {"ticketIds": ["TCK-0001", "TCK-0002"], "change": {"statusId": "stat2"}, "updatedById": "user2"},
}
TARGET: Final = """\
[target]
name = "tickets"
description = "The ticket server over STDIO, with the embedded ticket API on SQLite."
command = [{python}, {server}]
env = {{ MCP_DATABASE_URL = "sqlite:///{{state}}/tickets.sqlite3", MCP_LOG_LEVEL = "ERROR" }}

[state]
locations = ["sqlite:tickets.sqlite3"]

[[adapters]]
kind = "sqlite"
label = "tickets.sqlite3"
seed = "seed/tickets.sql"
business = [
  "tickets", "users", "accounts", "categories", "category_details", "statuses", "request_channels",
  "response_categories", "tenants", "api_keys",
]
append_only = ["ticket_history", "history_changed_fields", "attachments"]
mask = [
  {{ region = "ticket_history", column = "timestamp", kind = "timestamp" }},
  {{ region = "tickets", column = "updated_at", kind = "timestamp" }},
  {{ region = "tickets", column = "text_folded", kind = "random_token" }},  # what is searched: of the other columns
]
"""


async def fill(database: Path) -> None:
    """Make a database with the sample tickets."""
    app = ticket_api.create_app(database_url=f"sqlite+aiosqlite:///{database.as_posix()}", clock=at_now)
    async with app.router.lifespan_context(app):
        pass


def script_of(database: Path) -> Iterator[str]:
    """Yield statements that make a copy of a database."""
    with closing(sqlite3.connect(database)) as connection:
        virtual, *_ = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (PIECES,)).fetchone()
        for line in connection.iterdump():
            if line.startswith(("PRAGMA writable", "INSERT INTO sqlite_master", f'INSERT INTO "{PIECES}"')):
                continue
            if line.startswith(f"CREATE TABLE '{PIECES}_"):
                continue
            yield line
            if line == "BEGIN TRANSACTION;":
                yield f"{virtual};"
                yield from (f"DELETE FROM {PIECES}_{name};" for name in SHADOWS)  # noqa: S608 - constants


def write_target(folder: Path) -> None:
    """Write `target.toml` and the script that fills the database into `folder`."""
    seed = folder / "seed"
    seed.mkdir(parents=True, exist_ok=True)
    database = seed / "tickets.sqlite3"
    asyncio.run(fill(database))
    (seed / "tickets.sql").write_text("\n".join(script_of(database)), "utf-8")
    for file in seed.glob(f"{database.name}*"):
        file.unlink()
    python, server = (json.dumps(one) for one in (sys.executable, (ROOT / "mcp_server.py").as_posix()))
    calls = "".join(
        f'\n[[tools]]\nname = "{tool}"\n\n[tools.arguments]\n'
        + "".join(f"{name} = {_toml(value)}\n" for name, value in arguments.items())
        for tool, arguments in CALLS.items()
    )
    (folder / "target.toml").write_text(TARGET.format(python=python, server=server) + calls, "utf-8")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{name} = {_toml(one)}" for name, one in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    write_target(Path(sys.argv[1]))
