"""The tables, the same on SQLite and PostgreSQL. Columns are the API's field names in snake case.

Names of users, accounts and so on are joined, not copied into tickets as the existing system does.
`*_folded` columns hold `folding.fold` of their neighbour, for search and order; every writer keeps them in step.
`migrations/` builds these tables; a test compares the two on both databases.
"""

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator


class Moment(TypeDecorator[datetime]):
    """An aware moment: `timestamptz` on PostgreSQL, UTC without a zone on SQLite, which has no such type."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Send UTC."""
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return it aware, in UTC, from either database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


metadata: Final = MetaData()

FOLDED: Final = Text().with_variant(Text(collation="C"), "postgresql")  # by code point, as SQLite orders


def _id() -> Column[str]:
    return Column("id", String(50), primary_key=True)


def _to(table: str, name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, String(50), ForeignKey(f"{table}.id"), nullable=nullable)


def _ordered(name: str, *more: Column[Any]) -> Table:
    """Return a master table whose rows people put into an order of their own."""
    columns = (_id(), Column("name", String(200), nullable=False), Column("order_no", Integer, nullable=False))
    return Table(name, metadata, *columns, *more)


users: Final = Table(
    "users",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("name_folded", FOLDED, nullable=False),
    Column("email", String(200), nullable=False),
    Column("role", String(50), nullable=False),
)
accounts: Final = _ordered("accounts", Column("name_folded", FOLDED, nullable=False))
categories: Final = _ordered("categories")
category_details: Final = _ordered("category_details", _to("categories", "category_id"))
statuses: Final = _ordered("statuses", Column("completed", Boolean, nullable=False))
request_channels: Final = _ordered("request_channels")
response_categories: Final = _ordered("response_categories", Column("parent_category", String(200)))

tickets: Final = Table(
    "tickets",
    metadata,
    _id(),
    Column("number", Integer, nullable=False, unique=True),
    Column("reception_date_time", DateTime, nullable=False),
    _to("users", "requestor_id"),
    _to("accounts", "account_id"),
    _to("categories", "category_id"),
    _to("category_details", "category_detail_id"),
    _to("request_channels", "request_channel_id"),
    Column("summary", String(200), nullable=False),
    Column("summary_folded", FOLDED, nullable=False),
    Column("description", Text, nullable=False),
    _to("users", "person_in_charge_id"),
    _to("statuses", "status_id"),
    Column("scheduled_completion_date", Date),
    Column("completion_date", Date),
    Column("actual_effort_tenths", Integer),  # of an hour: exact on both databases, SQLite has no decimals
    _to("response_categories", "response_category_id", nullable=True),
    Column("response_details", Text),
    Column("has_defect", Boolean, nullable=False),
    Column("external_ticket_id", String(50)),
    Column("remarks", Text),
    Index("tickets_by_reception", "reception_date_time", "number"),
    Index("tickets_by_schedule", "scheduled_completion_date", "number"),
    Index("tickets_by_completion", "completion_date", "number"),
    Index("tickets_by_person", "person_in_charge_id", "reception_date_time"),
    Index("tickets_by_account", "account_id", "reception_date_time"),
    Index("tickets_by_status", "status_id", "reception_date_time"),
)
ticket_numbers: Final = Table(  # one row: the number given last; portable, and without gaps after a rollback
    "ticket_numbers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last", Integer, nullable=False),
)
attachments: Final = Table(
    "attachments",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    _to("tickets", "ticket_id"),
    Column("file_name", String(255), nullable=False),
    Column("file_url", String(2000), nullable=False),
    Column("uploaded_at", Moment, nullable=False),
    Index("attachments_of_ticket", "ticket_id"),
)
ticket_history: Final = Table(
    "ticket_history",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    _to("tickets", "ticket_id"),
    Column("timestamp", Moment, nullable=False),
    _to("users", "user_id"),
    Column("comment", Text),
    Index("history_of_ticket", "ticket_id", "timestamp"),
)
history_changed_fields: Final = Table(
    "history_changed_fields",
    metadata,
    Column("id", Integer, Identity(), primary_key=True),
    Column("history_id", Integer, ForeignKey("ticket_history.id"), nullable=False),
    Column("field_name", String(50), nullable=False),
    Column("old_value", Text),
    Column("new_value", Text),
    Index("changed_fields_of_history", "history_id"),
)
idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),  # null only inside the transaction that is doing the work
    Column("answer", Text),
    Column("created_at", Moment, nullable=False),
    Index("idempotency_keys_by_age", "created_at"),
)
