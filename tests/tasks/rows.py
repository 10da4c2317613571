"""The tickets as they are stored, in one form for both APIs.

Those of the reference API are read from its database by SQL, those of the existing one from the model of its stand-in.
"""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.standin.model import Api, Row

_MASTER: Final = {
    "users": "id, name, email, role",
    "accounts": "id, name, order_no AS orderNo",
    "categories": "id, name, order_no AS orderNo",
    "category-details": (
        "id, name, category_id AS categoryId, order_no AS orderNo, "
        "(SELECT name FROM categories WHERE categories.id = category_id) AS categoryName"
    ),
    "statuses": "id, name, order_no AS orderNo",
    "request-channels": "id, name, order_no AS orderNo",
    "response-categories": "id, name, parent_category AS parentCategory, order_no AS orderNo",
}
FIELDS: Final = (
    *("requestorId", "accountId", "categoryId", "categoryDetailId", "requestChannelId", "summary", "description"),
    *("personInChargeId", "statusId", "scheduledCompletionDate", "completionDate", "actualEffortHours"),
    *("responseCategoryId", "responseDetails", "hasDefect", "externalTicketId", "remarks", "receptionDateTime"),
)


@dataclass(frozen=True)
class Rows:
    """Everything that is stored."""

    master: Mapping[str, list[Row]]
    tickets: Mapping[str, Row]
    """By id: `FIELDS`."""
    history: Mapping[str, list[Row]]
    """By ticket, oldest first, as the existing API has entries; `visibility` is `public` or `internal`."""


def rows_of_database(file: Path) -> Rows:
    """Read the database of the reference API."""
    database = sqlite3.connect(f"file:{file.as_posix()}?mode=ro", uri=True)
    database.row_factory = sqlite3.Row
    try:
        read = {
            table: _read(database, f"SELECT {columns} FROM {table.replace('-', '_')}")  # noqa: S608 - of `_MASTER`
            for table, columns in _MASTER.items()
        }
        tickets = {row["id"]: _ticket(row) for row in _read(database, "SELECT * FROM tickets ORDER BY number")}
        return Rows(read, tickets, _history(database))
    finally:
        database.close()


def _read(database: sqlite3.Connection, statement: str) -> list[Row]:
    return [dict(row) for row in database.execute(statement)]


def _ticket(row: Row) -> Row:
    stored = {_camel(name): value for name, value in row.items()}
    tenths = stored["actualEffortTenths"]
    stored["actualEffortHours"] = None if tenths is None else f"{tenths / 10:.1f}"
    stored["hasDefect"] = bool(stored["hasDefect"])
    stored["receptionDateTime"] = stored["receptionDateTime"][:16]
    return {name: stored[name] for name in FIELDS}


def _history(database: sqlite3.Connection) -> dict[str, list[Row]]:
    changes: dict[int, list[Row]] = {}
    for row in _read(database, "SELECT * FROM history_changed_fields ORDER BY history_id, position"):
        change = {"fieldName": row["field_name"], "oldValue": row["old_value"], "newValue": row["new_value"]}
        changes.setdefault(row["history_id"], []).append(change)
    names = {row["id"]: row["name"] for row in _read(database, "SELECT id, name FROM users")}
    found: dict[str, list[Row]] = {}
    for row in _read(database, "SELECT * FROM ticket_history ORDER BY timestamp, id"):
        at = datetime.fromisoformat(row["timestamp"]).isoformat(timespec="milliseconds")
        entry = {"id": row["id"], "timestamp": f"{at}Z", "userId": row["user_id"], "userName": names[row["user_id"]]}
        entry |= {"comment": row["comment"], "changedFields": changes.get(row["id"], [])}
        entry["visibility"] = "public" if row["is_public"] else "internal"
        found.setdefault(row["ticket_id"], []).append(entry)
    return found


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(map(str.capitalize, rest))


def rows_of_model(api: Api) -> Rows:
    """Read the model of the existing API; all its comments are internal."""
    tickets = {key: {name: row[name] for name in FIELDS} for key, row in api.tickets.items()}
    history = {key: [entry | {"visibility": "internal"} for entry in rows] for key, rows in api.history.items() if rows}
    return Rows(api.master, tickets, history)


def stand_in_with(rows: Rows) -> Api:
    """Return the model of the existing API with these rows."""
    api = Api(rows.master)
    for row in rows.tickets.values():
        api.create(row, datetime.fromisoformat(row["receptionDateTime"]))
    for ticket_id, entries in rows.history.items():
        for entry in entries:
            api.remember(ticket_id, {name: value for name, value in entry.items() if name != "visibility"})
    return api
