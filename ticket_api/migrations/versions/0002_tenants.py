"""Adds a tenant to every row and every key; existing rows move to the tenant `default`.

SQLite cannot change keys, so on both databases the rows are copied aside, the tables recreated, and the rows copied
back. On PostgreSQL, policies then restrict each transaction to one tenant's rows, even for the owner of the tables.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import SchemaItem

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
fits_programs_from = "0002"

FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)
BEFORE = (
    "users", "accounts", "categories", "category_details", "statuses", "request_channels", "response_categories",
    "tickets", "ticket_numbers", "attachments", "ticket_history", "history_changed_fields", "idempotency_keys",
)  # fmt: skip
"""The tables of 0001, each after the tables it refers to."""

metadata = sa.MetaData()


def tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.String(50), primary_key=True)


def of_tenant() -> sa.Column[str]:
    return sa.Column("tenant_id", sa.String(50), sa.ForeignKey("tenants.id"), primary_key=True)


def id_() -> sa.Column[str]:
    return sa.Column("id", sa.String(50), primary_key=True)


def number(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, primary_key=True, autoincrement=False)


def to(table: str, name: str, nullable: bool = False) -> tuple[SchemaItem, ...]:
    reference = sa.ForeignKeyConstraint(["tenant_id", name], [f"{table}.tenant_id", f"{table}.id"])
    return sa.Column(name, sa.String(50), nullable=nullable), reference


def ordered(table: str, *more: SchemaItem) -> None:
    name = sa.Column("name", sa.String(200), nullable=False)
    sa.Table(table, metadata, of_tenant(), id_(), name, sa.Column("order_no", sa.Integer, nullable=False), *more)


sa.Table(
    "tenants",
    metadata,
    id_(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("created_at", MOMENT, nullable=False),
)
sa.Table(
    "api_keys",
    metadata,
    of_tenant(),
    id_(),
    sa.Column("digest", sa.String(64), nullable=False, unique=True),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Column("revoked_at", MOMENT),
)
sa.Table(
    "users",
    metadata,
    of_tenant(),
    id_(),
    sa.Column("name", sa.String(200), nullable=False),
    sa.Column("name_folded", FOLDED, nullable=False),
    sa.Column("email", sa.String(200), nullable=False),
    sa.Column("role", sa.String(50), nullable=False),
)
ordered("accounts", sa.Column("name_folded", FOLDED, nullable=False))
ordered("categories")
ordered("category_details", *to("categories", "category_id"))
ordered("statuses", sa.Column("completed", sa.Boolean, nullable=False))
ordered("request_channels")
ordered("response_categories", sa.Column("parent_category", sa.String(200)))
sa.Table(
    "tickets",
    metadata,
    tenant(),
    id_(),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("reception_date_time", sa.DateTime, nullable=False),
    *to("users", "requestor_id"),
    *to("accounts", "account_id"),
    *to("categories", "category_id"),
    *to("category_details", "category_detail_id"),
    *to("request_channels", "request_channel_id"),
    sa.Column("summary", sa.String(200), nullable=False),
    sa.Column("summary_folded", FOLDED, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    *to("users", "person_in_charge_id"),
    *to("statuses", "status_id"),
    sa.Column("scheduled_completion_date", sa.Date),
    sa.Column("completion_date", sa.Date),
    sa.Column("actual_effort_tenths", sa.Integer),
    *to("response_categories", "response_category_id", nullable=True),
    sa.Column("response_details", sa.Text),
    sa.Column("has_defect", sa.Boolean, nullable=False),
    sa.Column("external_ticket_id", sa.String(50)),
    sa.Column("remarks", sa.Text),
    sa.UniqueConstraint("tenant_id", "number"),
    sa.Index("tickets_by_reception", "tenant_id", "reception_date_time", "number"),
    sa.Index("tickets_by_schedule", "tenant_id", "scheduled_completion_date", "number"),
    sa.Index("tickets_by_completion", "tenant_id", "completion_date", "number"),
    sa.Index("tickets_by_person", "tenant_id", "person_in_charge_id", "reception_date_time"),
    sa.Index("tickets_by_account", "tenant_id", "account_id", "reception_date_time"),
    sa.Index("tickets_by_status", "tenant_id", "status_id", "reception_date_time"),
)
sa.Table(
    "ticket_numbers",
    metadata,
    of_tenant(),
    sa.Column("last", sa.Integer, nullable=False),
    sa.Column("last_attachment", sa.Integer, nullable=False),
    sa.Column("last_history", sa.Integer, nullable=False),
)
sa.Table(
    "attachments",
    metadata,
    tenant(),
    number("id"),
    *to("tickets", "ticket_id"),
    sa.Column("file_name", sa.String(255), nullable=False),
    sa.Column("file_url", sa.String(2000), nullable=False),
    sa.Column("uploaded_at", MOMENT, nullable=False),
    sa.Index("attachments_of_ticket", "tenant_id", "ticket_id"),
)
sa.Table(
    "ticket_history",
    metadata,
    tenant(),
    number("id"),
    *to("tickets", "ticket_id"),
    sa.Column("timestamp", MOMENT, nullable=False),
    *to("users", "user_id"),
    sa.Column("comment", sa.Text),
    sa.Index("history_of_ticket", "tenant_id", "ticket_id", "timestamp"),
)
sa.Table(
    "history_changed_fields",
    metadata,
    tenant(),
    number("history_id"),
    number("position"),
    sa.Column("field_name", sa.String(50), nullable=False),
    sa.Column("old_value", sa.Text),
    sa.Column("new_value", sa.Text),
    sa.ForeignKeyConstraint(["tenant_id", "history_id"], ["ticket_history.tenant_id", "ticket_history.id"]),
)
sa.Table(
    "idempotency_keys",
    metadata,
    of_tenant(),
    sa.Column("key", sa.String(200), primary_key=True),
    sa.Column("fingerprint", sa.String(64), nullable=False),
    sa.Column("status", sa.Integer),
    sa.Column("answer", sa.Text),
    sa.Column("created_at", MOMENT, nullable=False),
    sa.Index("idempotency_keys_by_age", "tenant_id", "created_at"),
)

FROM_BEFORE = {
    "position": "id",  # of a changed field: its id only ever gave the order
    "last_attachment": "(SELECT coalesce(max(id), 0) FROM before_attachments)",
    "last_history": "(SELECT coalesce(max(id), 0) FROM before_ticket_history)",
}
"""The source of a column's value, if it is not the column of the same name."""


def upgrade() -> None:
    for table in BEFORE:
        op.execute(f"CREATE TABLE before_{table} AS SELECT * FROM {table}")
    for table in reversed(BEFORE):
        op.drop_table(table)
    connection = op.get_bind()
    metadata.create_all(connection, checkfirst=False)
    rows = " OR ".join(f"EXISTS (SELECT 1 FROM before_{table})" for table in BEFORE if table != "ticket_numbers")
    if connection.scalar(sa.text(f"SELECT {rows}")):  # if the database is unused, `default` is created as any tenant is
        op.execute("INSERT INTO tenants (id, name, created_at) VALUES ('default', 'default', CURRENT_TIMESTAMP)")
        for table in BEFORE:
            columns = [column.name for column in metadata.tables[table].columns if column.name != "tenant_id"]
            values = ", ".join(FROM_BEFORE.get(column, column) for column in columns)
            op.execute(
                f"INSERT INTO {table} (tenant_id, {', '.join(columns)}) SELECT 'default', {values} FROM before_{table}"
            )
    for table in BEFORE:
        op.drop_table(f"before_{table}")
    if connection.dialect.name == "postgresql":
        show_one_tenant_alone()


def show_one_tenant_alone() -> None:
    """Restrict a transaction to the rows of the tenant it names, and to no rows if it names none."""
    mine = "tenant_id = current_setting('app.tenant_id', true)"
    for table in ("api_keys", *BEFORE):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY of_one_tenant ON {table} USING ({mine}) WITH CHECK ({mine})")
    op.execute(  # a client presents a key without naming its tenant: the digest gives access to the one row
        "CREATE POLICY by_digest ON api_keys FOR SELECT USING (digest = current_setting('app.key_digest', true))"
    )
