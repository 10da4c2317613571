"""Indexes that return rows in the order of every list, with any filter.

`number` or `id` breaks ties in each order, so it is the last column of each index. PostgreSQL reads an index forwards
or exactly backwards, and empty dates come last in both directions of a list, so each date needs two indexes; SQLite
reads one index in both directions.

Revision ID: 0003
Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
fits_programs_from = "0002"


def upgrade() -> None:
    for table, name, *columns in (
        ("tickets", "tickets_by_person", "person_in_charge_id", "reception_date_time", "number"),
        ("tickets", "tickets_by_account", "account_id", "reception_date_time", "number"),
        ("tickets", "tickets_by_status", "status_id", "reception_date_time", "number"),
        ("attachments", "attachments_of_ticket", "ticket_id", "id"),
        ("ticket_history", "history_of_ticket", "ticket_id", "timestamp", "id"),
    ):
        op.drop_index(name, table)
        op.create_index(name, table, ["tenant_id", *columns])
    if op.get_bind().dialect.name == "postgresql":
        for name, column in (
            ("tickets_by_latest_schedule", "scheduled_completion_date"),
            ("tickets_by_latest_completion", "completion_date"),
        ):
            op.create_index(
                name, "tickets", ["tenant_id", sa.text(f"{column} DESC NULLS LAST"), sa.text("number DESC")]
            )
