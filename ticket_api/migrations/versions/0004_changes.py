"""Adds what lists and imports need: when a ticket last changed, public comments, keys that may administer, indexes.

A ticket without history counts as last changed at its reception, read as UTC, because a migration knows no time zone.

Revision ID: 0004
Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
fits_programs_from = "0004"

MOMENT = sa.DateTime(timezone=True)
NEVER = "1970-01-01 00:00:00"
LAST_CHANGE = """
    UPDATE tickets SET updated_at = coalesce((SELECT max(timestamp) FROM ticket_history
        WHERE ticket_history.tenant_id = tickets.tenant_id AND ticket_history.ticket_id = tickets.id), {reception})
"""
ADDED = (
    ("tickets", "updated_at", MOMENT, sa.text(f"'{NEVER}'")),
    ("ticket_history", "is_public", sa.Boolean, sa.false()),
    ("api_keys", "may_administer", sa.Boolean, sa.false()),
)
FILTERED = (
    *("status_id", "person_in_charge_id", "account_id", "category_id", "requestor_id", "request_channel_id"),
    *("reception_date_time", "scheduled_completion_date", "completion_date", "updated_at"),
)
ORDERS = (
    ("reception", "reception_date_time"),
    ("schedule", "scheduled_completion_date"),
    ("completion", "completion_date"),
)
OWNERS = (
    ("person", "person_in_charge_id"),
    ("account", "account_id"),
    ("category", "category_id"),
    ("requestor", "requestor_id"),
)


def upgrade() -> None:
    is_postgresql = op.get_bind().dialect.name == "postgresql"
    for table, column, kind, default in ADDED:
        op.add_column(table, sa.Column(column, kind, nullable=False, server_default=default))
        if is_postgresql:  # SQLite cannot take a default back, and needs one for the rows that are there
            op.alter_column(table, column, server_default=None)
    if is_postgresql:
        for tenant in op.get_bind().scalars(sa.text("SELECT id FROM tenants")).all():
            op.execute(sa.text("SELECT set_config('app.tenant_id', :tenant, true)").bindparams(tenant=tenant))
            op.execute(LAST_CHANGE.format(reception="reception_date_time AT TIME ZONE 'UTC'"))
    else:
        op.execute(LAST_CHANGE.format(reception="reception_date_time"))
    if is_postgresql:
        for name in ("tickets_by_latest_schedule", "tickets_by_latest_completion"):
            op.drop_index(name, "tickets")
    for name in ("reception", "schedule", "completion", "person", "account"):
        op.drop_index(f"tickets_by_{name}", "tickets")
    for name, date in ORDERS:
        filtered = (column for column in FILTERED if column != date)
        op.create_index(f"tickets_by_{name}", "tickets", ["tenant_id", date, "number", *filtered])
    for name, column in OWNERS:
        columns = ["tenant_id", column, "status_id", "number", "reception_date_time"]
        op.create_index(f"tickets_by_{name}", "tickets", columns)
    op.create_index("tickets_by_update", "tickets", ["tenant_id", "updated_at", "number"])
    op.create_index("tickets_by_external_id", "tickets", ["tenant_id", "external_ticket_id"])
    op.create_index("history_by_time", "ticket_history", ["tenant_id", "timestamp", "id"])
    op.create_index("history_by_user", "ticket_history", ["tenant_id", "user_id", "id"])
