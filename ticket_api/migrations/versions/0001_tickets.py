"""Tickets, their history, the master tables and idempotency keys.

Revision ID: 0001
Revises: none
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
fits_programs_from = "0001"

FOLDED = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def id_() -> sa.Column[Any]:
    return sa.Column("id", sa.String(50), primary_key=True)


def to(table: str, name: str, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(50), sa.ForeignKey(f"{table}.id"), nullable=nullable)


def ordered(table: str, *more: sa.Column[Any]) -> None:
    name = sa.Column("name", sa.String(200), nullable=False)
    op.create_table(table, id_(), name, sa.Column("order_no", sa.Integer, nullable=False), *more)


def serial() -> sa.Column[Any]:
    return sa.Column("id", sa.Integer, sa.Identity(), primary_key=True)


def upgrade() -> None:
    op.create_table(
        "users",
        id_(),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("name_folded", FOLDED, nullable=False),
        sa.Column("email", sa.String(200), nullable=False),
        sa.Column("role", sa.String(50), nullable=False),
    )
    ordered("accounts", sa.Column("name_folded", FOLDED, nullable=False))
    ordered("categories")
    ordered("category_details", to("categories", "category_id"))
    ordered("statuses", sa.Column("completed", sa.Boolean, nullable=False))
    ordered("request_channels")
    ordered("response_categories", sa.Column("parent_category", sa.String(200)))
    op.create_table(
        "tickets",
        id_(),
        sa.Column("number", sa.Integer, nullable=False, unique=True),
        sa.Column("reception_date_time", sa.DateTime, nullable=False),
        to("users", "requestor_id"),
        to("accounts", "account_id"),
        to("categories", "category_id"),
        to("category_details", "category_detail_id"),
        to("request_channels", "request_channel_id"),
        sa.Column("summary", sa.String(200), nullable=False),
        sa.Column("summary_folded", FOLDED, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        to("users", "person_in_charge_id"),
        to("statuses", "status_id"),
        sa.Column("scheduled_completion_date", sa.Date),
        sa.Column("completion_date", sa.Date),
        sa.Column("actual_effort_tenths", sa.Integer),
        to("response_categories", "response_category_id", nullable=True),
        sa.Column("response_details", sa.Text),
        sa.Column("has_defect", sa.Boolean, nullable=False),
        sa.Column("external_ticket_id", sa.String(50)),
        sa.Column("remarks", sa.Text),
    )
    for index, *columns in (
        ("tickets_by_reception", "reception_date_time", "number"),
        ("tickets_by_schedule", "scheduled_completion_date", "number"),
        ("tickets_by_completion", "completion_date", "number"),
        ("tickets_by_person", "person_in_charge_id", "reception_date_time"),
        ("tickets_by_account", "account_id", "reception_date_time"),
        ("tickets_by_status", "status_id", "reception_date_time"),
    ):
        op.create_index(index, "tickets", columns)
    numbers = op.create_table(
        "ticket_numbers",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("last", sa.Integer, nullable=False),
    )
    op.bulk_insert(numbers, [{"id": 1, "last": 0}])
    op.create_table(
        "attachments",
        serial(),
        to("tickets", "ticket_id"),
        sa.Column("file_name", sa.String(255), nullable=False),
        sa.Column("file_url", sa.String(2000), nullable=False),
        sa.Column("uploaded_at", MOMENT, nullable=False),
    )
    op.create_index("attachments_of_ticket", "attachments", ["ticket_id"])
    op.create_table(
        "ticket_history",
        serial(),
        to("tickets", "ticket_id"),
        sa.Column("timestamp", MOMENT, nullable=False),
        to("users", "user_id"),
        sa.Column("comment", sa.Text),
    )
    op.create_index("history_of_ticket", "ticket_history", ["ticket_id", "timestamp"])
    op.create_table(
        "history_changed_fields",
        serial(),
        sa.Column("history_id", sa.Integer, sa.ForeignKey("ticket_history.id"), nullable=False),
        sa.Column("field_name", sa.String(50), nullable=False),
        sa.Column("old_value", sa.Text),
        sa.Column("new_value", sa.Text),
    )
    op.create_index("changed_fields_of_history", "history_changed_fields", ["history_id"])
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(200), primary_key=True),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("answer", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
    )
    op.create_index("idempotency_keys_by_age", "idempotency_keys", ["created_at"])
