"""The existing API's handlers and database in memory: where most of its traps are.

Rows have the shape in which the API returns them, so tests may read `Api.tickets` and `Api.history` directly.
It has no HTTP and no clock: every write gets the time at which it happens (aware, UTC).
Where observations are missing it follows PostgreSQL: lengths are enforced, descending order puts null first.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from zlib import crc32

from tests.standin.columns import (
    COLUMNS,
    DATES,
    REFERENCES,
    WRITABLE,
    DatabaseError,
    as_date,
    as_minute,
    as_text,
    recorded,
)

Row = dict[str, Any]

COMPLETED: Final = "stat4"
MASTER_TABLES: Final = (
    "users", "accounts", "categories", "category-details", "statuses", "request-channels", "response-categories",
)  # fmt: skip

REQUIRED: Final = (
    "requestorId", "accountId", "categoryId", "categoryDetailId", "requestChannelId", "summary", "description",
    "personInChargeId", "statusId",
)  # fmt: skip
LIST_ROW: Final = (
    "receptionDateTime", "requestorName", "accountName", "categoryName", "categoryDetailName", "summary",
    "personInChargeName", "statusName", "scheduledCompletionDate", "externalTicketId",
)  # fmt: skip
SORTABLE: Final = ("receptionDateTime", *DATES)


class RefusedError(Exception):
    """The API itself refused, with the arguments (status, sentence)."""


def parse_int(text: str | None, default: int) -> int:
    """Return JavaScript's `parseInt(text) || default`; this is why `limit=0` means 20."""
    found = re.match(r"\s*[+-]?\d+", text or "", re.ASCII)
    return (int(found[0]) if found else 0) or default


def ilike(text: str) -> re.Pattern[str]:
    """Return the pattern of `ILIKE '%text%'`: `%` and `_` in the text are wildcards too, unless after a backslash."""
    wildcards = {"%": ".*", "_": "."}
    parts = re.findall(r"\\.|.", as_text(text), re.DOTALL)
    return re.compile(
        "".join(wildcards.get(part) or re.escape(part[-1]) for part in ["%", *parts, "%"]), re.IGNORECASE | re.DOTALL
    )


class Api:
    """All tables, and the statements that the handlers run on them."""

    def __init__(self, master: Mapping[str, list[Row]]) -> None:
        self.master = master
        self.tickets: dict[str, Row] = {}
        self.history: dict[str, list[Row]] = defaultdict(list)
        self.requests: list[tuple[str, str, Any]] = []
        self._history_id = 0
        self._listings = 0
        # The pool hands out the most recently released connection, so one flag is enough: whether the next statement
        # runs on a connection with an open transaction that will never be committed.
        self._transaction_left_open = False

    def rows(self, table: str, query: Mapping[str, str]) -> list[Row]:
        """Return a master table: users by name, the others by number. Only details can be filtered."""
        rows = self.master[table]
        if table == "category-details" and query.get("categoryId"):
            rows = [row for row in rows if row["categoryId"] == query["categoryId"]]
        return sorted(rows, key=lambda row: row["name"] if table == "users" else row["orderNo"])

    def list_tickets(self, query: Mapping[str, str], today: date) -> list[Row]:
        """Return list rows, always descending, equal dates in a different order each time. Raises: DatabaseError."""
        limit, offset = parse_int(query.get("limit"), 20), parse_int(query.get("offset"), 0)
        if limit < 0 or offset < 0:
            raise DatabaseError("LIMIT or OFFSET must not be negative")
        sort_by = query.get("sortBy", "")
        column = sort_by if sort_by in SORTABLE else "receptionDateTime"
        filters = list(_filters(query))
        found = [ticket for ticket in self.tickets.values() if all(accepts(ticket) for accepts in filters)]
        self._listings += 1
        found.sort(
            key=lambda ticket: (
                ticket[column] is None,
                ticket[column] or "",
                crc32(f"{self._listings}{ticket['id']}".encode()),
            ),
            reverse=True,
        )
        return [self._list_row(ticket, today) for ticket in found[offset : offset + limit]]

    @staticmethod
    def _list_row(ticket: Row, today: date) -> Row:
        due = ticket["scheduledCompletionDate"]
        remaining = (date.fromisoformat(due) - today).days if due else None
        return {"ticketId": ticket["id"], **{name: ticket[name] for name in LIST_ROW}, "remainingDays": remaining}

    def ticket(self, ticket_id: str) -> Row:
        """Return one ticket. Raises: RefusedError (404)."""
        if ticket_id not in self.tickets:
            raise RefusedError(404, "Ticket not found")
        return self.tickets[ticket_id]

    def create(self, body: Row, at: datetime) -> Row:
        """Insert a ticket; attachments in `body` are ignored. Raises: DatabaseError."""
        if any(body.get(name) is None for name in REQUIRED):
            raise DatabaseError("null value violates not-null constraint")
        received = body.get("receptionDateTime")
        ticket_id = f"TCK-{len(self.tickets) + 1:04}"
        self.tickets[ticket_id] = {
            "id": ticket_id,
            "receptionDateTime": as_minute(at.isoformat() if received is None else received),
            **dict.fromkeys(WRITABLE),
            **{name: None for _, name in REFERENCES.values()},
            "hasDefect": False,
            **self._columns(body),
            "attachments": [],
        }
        return {"id": ticket_id, "message": "Ticket created successfully"}

    def update(self, ticket_id: str, body: Row, at: datetime) -> Row:
        """Change a ticket and record it, even when nothing was sent. Raises: DatabaseError, RefusedError (404)."""
        if ticket_id not in self.tickets:
            self._transaction_left_open = True  # BEGIN has run; the early return forgets ROLLBACK
        ticket = self.ticket(ticket_id)
        author = body.get("updatedById")
        if author is not None:
            self._name_in("users", as_text(author))
        comment = None if body.get("comment") is None else as_text(body["comment"])
        new = self._columns(body)
        changes = [
            {"fieldName": name, "oldValue": recorded(name, ticket[name]), "newValue": as_text(new[name])}
            for name in WRITABLE
            if name in new and new[name] != ticket[name]
        ]
        ticket.update(new)
        self._record(ticket_id, author, comment, changes, at)
        return {"id": ticket_id, "message": "Ticket updated successfully"}

    def entries(self, ticket_id: str) -> list[Row]:
        """Return a ticket's history, newest first; whether the ticket exists is not checked."""
        return sorted(self.history.get(ticket_id, []), key=lambda row: (row["timestamp"], row["id"]), reverse=True)

    def comment(self, ticket_id: str, body: Row, at: datetime) -> Row:
        """Add a comment, or lose it on a connection with an open transaction. Raises: RefusedError."""
        author, comment = body.get("userId"), body.get("comment")
        if not author or not comment:
            raise RefusedError(400, "User ID and comment are required")
        self.ticket(ticket_id)
        if all(user["id"] != author for user in self.master["users"]):
            raise RefusedError(400, "User not found")
        if self._transaction_left_open:
            self._transaction_left_open = False
            self._history_id += 1
        else:
            self._record(ticket_id, author, as_text(comment), [], at)
        return {"id": self._history_id, "message": "History added successfully"}

    def remember(self, ticket_id: str, entry: Row) -> None:
        """Have an entry of the past, whose id is higher than those before."""
        self.history[ticket_id].append(entry)
        self._history_id = max(self._history_id, entry["id"])

    def _record(
        self, ticket_id: str, author: str | None, comment: str | None, changes: list[Row], at: datetime
    ) -> None:
        self._history_id += 1
        self.history[ticket_id].append({
            "id": self._history_id,
            "timestamp": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "userId": author,
            "userName": author and self._name_in("users", author),
            "comment": comment,
            "changedFields": changes,
        })  # fmt: skip

    def _name_in(self, table: str, row_id: str) -> str:
        for row in self.master[table]:
            if row["id"] == row_id:
                return str(row["name"])
        raise DatabaseError("insert or update violates foreign key constraint")

    def _columns(self, body: Row) -> Row:
        """Return the columns that `body` sets. Each id is checked alone: a detail need not belong to its category."""
        columns: Row = {}
        for field in WRITABLE:
            value = body.get(field)
            if value is None:
                continue
            if field in REFERENCES:
                table, name_column = REFERENCES[field]
                columns |= {field: as_text(value), name_column: self._name_in(table, as_text(value))}
            else:
                columns[field] = COLUMNS[field](value)
        return columns


def _filters(query: Mapping[str, str]) -> Iterator[Callable[[Row], bool]]:
    """Yield the conditions of a list query. Raises: DatabaseError."""
    ids = {name: query[name] for name in ("personInChargeId", "accountId", "statusId") if query.get(name)}
    yield lambda ticket: all(ticket[name] == wanted for name, wanted in ids.items())
    due = "scheduledCompletionDate"
    if query.get(f"{due}From"):
        first = as_date(query[f"{due}From"])
        yield lambda ticket: ticket[due] is not None and ticket[due] >= first
    if query.get(f"{due}To"):
        last = as_date(query[f"{due}To"])
        yield lambda ticket: ticket[due] is not None and ticket[due] <= last
    if query.get("showCompleted") != "true":
        yield lambda ticket: ticket["statusId"] != COMPLETED
    searched = ilike(query.get("searchQuery", ""))
    yield lambda ticket: any(searched.fullmatch(ticket[name]) for name in ("summary", "accountName", "requestorName"))
