"""The tables, the same on SQLite and PostgreSQL. Columns are the API's field names in snake case.

Every row belongs to one tenant, except those of `tenants` and `erased_tenants`, and its `tenant_id` is part of every
key: the same id may exist once per tenant, and no reference can cross tenants. On PostgreSQL a policy on each of these
tables restricts a transaction to one tenant's rows (revision 0002).
Names of users, accounts and so on are joined, not copied into tickets as the existing system does.
`*_folded` columns hold `folding.fold` of the column they are named after, for search and order; every writer updates
both. `tickets.text_folded` and `tickets.names_folded` are what words are searched in: only `search.index_tickets`
writes them, and they are empty until it has indexed the ticket.
`migrations/` builds these tables; a test compares the two on both databases.
"""

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

from shared.storage.database import UTCDateTime

metadata: Final = MetaData()

FOLDED: Final = Text().with_variant(Text(collation="C"), "postgresql")  # by code point, as SQLite sorts


def _tenant(*references: ForeignKey) -> Column[str]:
    """Return the column of a row's tenant. A row that refers to another row gets its tenant by that reference."""
    return Column("tenant_id", String(50), *references, primary_key=True)


def _of_tenant() -> Column[str]:
    return _tenant(ForeignKey("tenants.id"))


def _id() -> Column[str]:
    return Column("id", String(50), primary_key=True)


def _to(table: str, name: str, *, nullable: bool = False) -> tuple[Column[str], ForeignKeyConstraint]:
    """Return a reference to a row of the same tenant."""
    reference = ForeignKeyConstraint(["tenant_id", name], [f"{table}.tenant_id", f"{table}.id"])
    return Column(name, String(50), nullable=nullable), reference


def _ordered(name: str, *more: SchemaItem) -> Table:
    """Return a master table with a user-defined order of its rows."""
    columns = (Column("name", String(200), nullable=False), Column("order_no", Integer, nullable=False))
    return Table(name, metadata, _of_tenant(), _id(), *columns, *more)


tenants: Final = Table(
    "tenants",
    metadata,
    _id(),
    Column("name", String(200), nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
)
erased_tenants: Final = Table(  # their ids belong to no other tenant, and their rows do not come back
    "erased_tenants",
    metadata,
    _id(),
    Column("erased_at", UTCDateTime, nullable=False),
)
api_keys: Final = Table(  # the only table that is also read before the tenant is known: by the digest of a key
    "api_keys",
    metadata,
    _of_tenant(),
    _id(),
    Column("digest", String(64), nullable=False, unique=True),
    Column("created_at", UTCDateTime, nullable=False),
    Column("revoked_at", UTCDateTime),
    Column("may_administer", Boolean, nullable=False),  # whether it may change master data and import tickets
)
users: Final = Table(
    "users",
    metadata,
    _of_tenant(),
    _id(),
    Column("name", String(200), nullable=False),
    Column("name_folded", FOLDED, nullable=False),
    Column("email", String(200), nullable=False),
    Column("role", String(50), nullable=False),
)
accounts: Final = _ordered("accounts", Column("name_folded", FOLDED, nullable=False))
categories: Final = _ordered("categories")
category_details: Final = _ordered("category_details", *_to("categories", "category_id"))
statuses: Final = _ordered("statuses", Column("completed", Boolean, nullable=False))
request_channels: Final = _ordered("request_channels")
response_categories: Final = _ordered("response_categories", Column("parent_category", String(200)))

FILTERED: Final = (
    *("status_id", "person_in_charge_id", "account_id", "category_id", "requestor_id", "request_channel_id"),
    *("reception_date_time", "scheduled_completion_date", "completion_date", "updated_at"),
)
tickets: Final = Table(
    "tickets",
    metadata,
    _tenant(),
    _id(),
    Column("number", Integer, nullable=False),
    Column("reception_date_time", DateTime, nullable=False),
    *_to("users", "requestor_id"),
    *_to("accounts", "account_id"),
    *_to("categories", "category_id"),
    *_to("category_details", "category_detail_id"),
    *_to("request_channels", "request_channel_id"),
    Column("summary", String(200), nullable=False),
    Column("summary_folded", FOLDED, nullable=False),
    Column("description", Text, nullable=False),
    *_to("users", "person_in_charge_id"),
    *_to("statuses", "status_id"),
    Column("scheduled_completion_date", Date),
    Column("completion_date", Date),
    Column("actual_effort_tenths", Integer),  # of an hour: exact on both databases, SQLite has no decimals
    *_to("response_categories", "response_category_id", nullable=True),
    Column("response_details", Text),
    Column("has_defect", Boolean, nullable=False),
    Column("external_ticket_id", String(50)),
    Column("remarks", Text),
    Column("updated_at", UTCDateTime, nullable=False),  # of the last entry of its history, or else of its creation
    Column("text_folded", FOLDED, nullable=False, server_default=""),
    Column("names_folded", FOLDED, nullable=False, server_default=""),
    UniqueConstraint("tenant_id", "number"),
    *(  # one for each order of a list, with every column that a list filters by
        Index(name, "tenant_id", date, "number", *(column for column in FILTERED if column != date))
        for name, date in (
            ("tickets_by_reception", "reception_date_time"),
            ("tickets_by_schedule", "scheduled_completion_date"),
            ("tickets_by_completion", "completion_date"),
        )
    ),
    *(
        Index(name, "tenant_id", column, "status_id", "number", "reception_date_time")
        for name, column in (
            ("tickets_by_person", "person_in_charge_id"),
            ("tickets_by_account", "account_id"),
            ("tickets_by_category", "category_id"),
            ("tickets_by_requestor", "requestor_id"),
        )
    ),
    Index("tickets_by_status", "tenant_id", "status_id", "reception_date_time", "number"),
    Index("tickets_by_update", "tenant_id", "updated_at", "number"),
    Index("tickets_by_external_id", "tenant_id", "external_ticket_id"),
)
ticket_numbers: Final = Table(  # one row per tenant: the last numbers assigned; a rollback leaves no gap
    "ticket_numbers",
    metadata,
    _of_tenant(),
    Column("last", Integer, nullable=False),
    Column("last_attachment", Integer, nullable=False),
    Column("last_history", Integer, nullable=False),
)
renamed: Final = Table(  # accounts and users with another name since some of their tickets were indexed
    "renamed",
    metadata,
    _of_tenant(),
    Column("kind", String(50), primary_key=True),  # the name of the table
    _id(),
    Column("done_to", Integer, nullable=False),  # number of the last ticket that is indexed again
)
attachments: Final = Table(
    "attachments",
    metadata,
    _tenant(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    *_to("tickets", "ticket_id"),
    Column("file_name", String(255), nullable=False),
    Column("file_url", String(2000), nullable=False),
    Column("uploaded_at", UTCDateTime, nullable=False),
    Index("attachments_of_ticket", "tenant_id", "ticket_id", "id"),
)
ticket_history: Final = Table(
    "ticket_history",
    metadata,
    _tenant(),
    Column("id", Integer, primary_key=True, autoincrement=False),
    *_to("tickets", "ticket_id"),
    Column("timestamp", UTCDateTime, nullable=False),
    *_to("users", "user_id"),
    Column("comment", Text),
    Column("is_public", Boolean, nullable=False),  # whether the comment is meant for the requestor too
    Index("history_of_ticket", "tenant_id", "ticket_id", "timestamp", "id"),
    Index("history_by_time", "tenant_id", "timestamp", "id"),
    Index("history_by_user", "tenant_id", "user_id", "id"),
)
history_changed_fields: Final = Table(
    "history_changed_fields",
    metadata,
    _tenant(),
    Column("history_id", Integer, primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("field_name", String(50), nullable=False),
    Column("old_value", Text),
    Column("new_value", Text),
    ForeignKeyConstraint(["tenant_id", "history_id"], ["ticket_history.tenant_id", "ticket_history.id"]),
)
idempotency_keys: Final = Table(
    "idempotency_keys",
    metadata,
    _of_tenant(),
    Column("key", String(200), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("status", Integer),  # null only inside the transaction that does the work
    Column("answer", Text),
    Column("created_at", UTCDateTime, nullable=False),
    Index("idempotency_keys_by_age", "tenant_id", "created_at"),
)
