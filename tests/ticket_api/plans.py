"""Measures what an operation reads: its statements as sent, each explained by the database itself.

PostgreSQL counts rows per table. SQLite counts steps of its virtual machine, about ten per row.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, event

from ticket_api.store.connection import TenantConnection
from ticket_api.tenancy import DEFAULT

EXPLAIN: Final = {"postgresql": "EXPLAIN (ANALYZE, FORMAT JSON) ", "sqlite": "EXPLAIN QUERY PLAN "}
STEPS: Final = 50


@dataclass
class Read:
    """What one operation read."""

    rows: Counter[str] = field(default_factory=Counter)
    """Rows by table, including those dropped by a filter. PostgreSQL only."""
    joined: int = 0
    """The largest number of rows of any join. PostgreSQL only."""
    steps: int = 0
    """SQLite only."""
    plan: list[str] = field(default_factory=list)


def read_by(connection: Connection, work: Callable[[TenantConnection], object]) -> Read:
    """Run `work` for the tenant `default`, then explain each statement it sent."""
    db = TenantConnection.open(connection, DEFAULT)
    sent: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, parameters: Any, *more: object) -> None:
        sent.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    try:
        work(db)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    read = Read()
    for statement, parameters in sent:
        explain = _explain_sqlite if connection.dialect.name == "sqlite" else _explain_postgresql
        explain(connection, statement, parameters, read)
    return read


def _explain_sqlite(connection: Connection, statement: str, parameters: Any, read: Read) -> None:
    read.plan += [row[3] for row in connection.exec_driver_sql(EXPLAIN["sqlite"] + statement, parameters)]
    driver: Any = connection.connection.driver_connection

    def step() -> int:
        read.steps += STEPS
        return 0

    driver.set_progress_handler(step, STEPS)
    try:
        result = connection.exec_driver_sql(statement, parameters)
        if result.returns_rows:
            result.all()
    finally:
        driver.set_progress_handler(None, 0)


def _explain_postgresql(connection: Connection, statement: str, parameters: Any, read: Read) -> None:
    explained: Any = connection.exec_driver_sql(EXPLAIN["postgresql"] + statement, parameters).scalar()
    (root,) = json.loads(explained) if isinstance(explained, str) else explained
    for node in _nodes(root["Plan"]):
        loops = node["Actual Loops"]
        rows = round(node["Actual Rows"] * loops)
        dropped = round(sum(node.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck")) * loops)
        table = node.get("Relation Name")
        if table is not None and node["Node Type"] != "ModifyTable":
            read.rows[table] += rows + dropped
        if "Join" in node["Node Type"] or node["Node Type"] == "Nested Loop":
            read.joined = max(read.joined, rows + dropped)
        read.plan.append(f"{node['Node Type']} {table or ''} {node.get('Index Name', '')} {rows}+{dropped}")


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)
