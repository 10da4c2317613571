"""Tenants, users, memberships, service accounts, keys, and an append-only audit table.

On PostgreSQL the connection puts tables into the schema `identity`; only hand-written SQL has to name it. This revision
is not called `0001`, so that a file with the tables of the ticket API is not mistaken for an identity store.
Revision ID: identity_0001
Revises: none
"""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "identity_0001"
down_revision = None
branch_labels = None
depends_on = None
fits_programs_from = "identity_0001"


def id_(length: int = 40) -> sa.Column[Any]:
    return sa.Column("id", sa.String(length), primary_key=True)


def to(table: str, name: str, nullable: bool = False, primary_key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(40), sa.ForeignKey(f"{table}.id"), nullable=nullable, primary_key=primary_key)


def moment(name: str, nullable: bool = True) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def text(name: str, length: int, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def upgrade() -> None:
    tenants = op.create_table(
        "tenants",
        id_(),
        text("name", 200),
        text("upstream_address", 2000, nullable=True),
        sa.Column("upstream_key_sealed", sa.Text),
        text("upstream_key_id", 8, nullable=True),
        text("upstream_key_ref", 500, nullable=True),
        moment("created_at", nullable=False),
        moment("disabled_at"),
        sa.CheckConstraint(
            "upstream_key_sealed IS NULL OR (upstream_key_id IS NOT NULL AND upstream_key_ref IS NULL)",
            name="tenants_have_one_upstream_key",
        ),
    )
    # The shared key belongs to this tenant, so it exists from the start.
    now = datetime.now(UTC)
    if op.get_bind().dialect.name == "sqlite":
        now = now.replace(tzinfo=None)
    op.bulk_insert(tenants, [{"id": "default", "name": "Default", "created_at": now}])
    op.create_table(
        "users",
        id_(),
        sa.Column("email", sa.String(254), nullable=False, unique=True),
        text("name", 200),
        moment("created_at", nullable=False),
        moment("disabled_at"),
    )
    op.create_table(
        "identities",
        sa.Column("issuer", sa.String(300), primary_key=True),
        sa.Column("subject", sa.String(300), primary_key=True),
        to("users", "user_id"),
        moment("created_at", nullable=False),
    )
    op.create_index("identities_of_user", "identities", ["user_id"])
    op.create_table(
        "memberships",
        to("users", "user_id", primary_key=True),
        to("tenants", "tenant_id", primary_key=True),
        text("role", 20),
        text("ticket_user", 50, nullable=True),
        moment("created_at", nullable=False),
    )
    op.create_index("memberships_of_tenant", "memberships", ["tenant_id"])
    op.create_table(
        "service_accounts",
        id_(),
        to("tenants", "tenant_id"),
        text("name", 200),
        text("role", 20),
        text("ticket_user", 50, nullable=True),
        moment("created_at", nullable=False),
        moment("disabled_at"),
        sa.UniqueConstraint("tenant_id", "name", name="service_accounts_by_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("public_id", sa.String(8), primary_key=True),
        to("tenants", "tenant_id"),
        to("users", "user_id", nullable=True),
        to("service_accounts", "service_account_id", nullable=True),
        text("name", 200),
        text("scopes", 200, nullable=True),
        text("digest", 64),
        text("pepper_id", 8),
        moment("created_at", nullable=False),
        moment("expires_at", nullable=False),
        moment("revoked_at"),
        moment("last_used_at"),
        sa.CheckConstraint("(user_id IS NULL) <> (service_account_id IS NULL)", name="api_keys_have_one_owner"),
    )
    op.create_index("api_keys_of_tenant", "api_keys", ["tenant_id", "created_at"])
    op.create_index("api_keys_of_user", "api_keys", ["user_id"])
    op.create_index("api_keys_of_service_account", "api_keys", ["service_account_id"])
    op.create_table(
        "audit_events",
        id_(32),
        moment("at", nullable=False),
        text("action", 50),
        text("outcome", 50),
        text("tenant", 40),
        text("actor", 100),
        text("credential", 100),
        text("tool", 100),
        text("object", 200),
        text("acting_as", 100),
        text("request_id", 200),
        text("trace", 100),
        text("detail", 500),
    )
    op.create_index("audit_events_by_time", "audit_events", ["at", "id"])
    op.create_index("audit_events_of_tenant", "audit_events", ["tenant", "at", "id"])
    for statement in APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)


APPEND_ONLY = {
    "sqlite": (
        """
        CREATE TRIGGER audit_events_are_never_changed BEFORE UPDATE ON audit_events
        BEGIN SELECT RAISE(ABORT, 'audit events are never changed'); END
        """,
        """
        CREATE TRIGGER audit_events_are_kept BEFORE DELETE ON audit_events
        WHEN OLD.at > datetime('now', '-90 days')
        BEGIN SELECT RAISE(ABORT, 'audit events are kept for 90 days'); END
        """,
    ),
    "postgresql": (
        """
        CREATE FUNCTION identity.refuse_to_change_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND OLD.at <= now() - interval '90 days' THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'audit events are never changed, and kept for 90 days';
        END $$
        """,
        """
        CREATE TRIGGER audit_events_are_kept BEFORE UPDATE OR DELETE ON identity.audit_events
        FOR EACH ROW EXECUTE FUNCTION identity.refuse_to_change_audit_events()
        """,
        """
        CREATE TRIGGER audit_events_are_not_emptied BEFORE TRUNCATE ON identity.audit_events
        FOR EACH STATEMENT EXECUTE FUNCTION identity.refuse_to_change_audit_events()
        """,
    ),
}
