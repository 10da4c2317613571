"""The tables of the identity store, the same on SQLite and PostgreSQL.

On PostgreSQL they are in the schema `identity`, beside anything else in the database; on SQLite in a file of their own.
No secret is stored in plain text: keys are digests, upstream keys are sealed.
`migrations/` builds these tables; a test compares the two on both databases.
"""

from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from shared.storage.database import UTCDateTime

SCHEMA: Final = "identity"

metadata: Final = MetaData()


def _id(length: int = 40) -> Column[str]:
    return Column("id", String(length), primary_key=True)


def _to(table: str, name: str, *, nullable: bool = False, primary_key: bool = False) -> Column[str]:
    return Column(name, String(40), ForeignKey(f"{table}.id"), nullable=nullable, primary_key=primary_key)


def _moment(name: str, *, nullable: bool = True) -> Column[datetime]:
    return Column(name, UTCDateTime, nullable=nullable)


def _role() -> Column[str]:
    return Column("role", String(20), nullable=False)


def _text(name: str, length: int, *, nullable: bool = False) -> Column[Any]:
    return Column(name, String(length), nullable=nullable)


tenants: Final = Table(
    "tenants",
    metadata,
    _id(),
    _text("name", 200),
    _text("upstream_address", 2000, nullable=True),
    Column("upstream_key_sealed", Text),
    _text("upstream_key_id", 8, nullable=True),  # of the secret that sealed it
    _text("upstream_key_ref", 500, nullable=True),
    _moment("created_at", nullable=False),
    _moment("disabled_at"),
    CheckConstraint(
        "upstream_key_sealed IS NULL OR (upstream_key_id IS NOT NULL AND upstream_key_ref IS NULL)",
        name="tenants_have_one_upstream_key",
    ),
)
erased_tenants: Final = Table(  # their ids belong to no other tenant, and their rows do not come back
    "erased_tenants",
    metadata,
    _id(),
    _moment("erased_at", nullable=False),
)
users: Final = Table(
    "users",
    metadata,
    _id(),
    Column("email", String(254), nullable=False, unique=True),  # casefolded
    _text("name", 200),
    _moment("created_at", nullable=False),
    _moment("disabled_at"),
)
memberships: Final = Table(
    "memberships",
    metadata,
    _to("users", "user_id", primary_key=True),
    _to("tenants", "tenant_id", primary_key=True),
    _role(),
    _text("ticket_user", 50, nullable=True),
    _moment("created_at", nullable=False),
    Index("memberships_of_tenant", "tenant_id"),
)
service_accounts: Final = Table(
    "service_accounts",
    metadata,
    _id(),
    _to("tenants", "tenant_id"),
    _text("name", 200),
    _role(),
    _text("ticket_user", 50, nullable=True),
    _moment("created_at", nullable=False),
    _moment("disabled_at"),
    UniqueConstraint("tenant_id", "name", name="service_accounts_by_name"),
)
identities: Final = Table(  # as identity providers assert them: issuer and subject, never the e-mail address
    "identities",
    metadata,
    Column("issuer", String(300), primary_key=True),
    Column("subject", String(300), primary_key=True),
    _text("id", 40),
    _to("users", "user_id", nullable=True),
    _to("service_accounts", "service_account_id", nullable=True),
    _moment("created_at", nullable=False),
    _moment("removed_at"),
    UniqueConstraint("id", name="identities_by_id"),
    CheckConstraint("(user_id IS NULL) <> (service_account_id IS NULL)", name="identities_have_one_owner"),
    Index("identities_of_user", "user_id"),
    Index("identities_of_service_account", "service_account_id"),
)
api_keys: Final = Table(
    "api_keys",
    metadata,
    Column("public_id", String(8), primary_key=True),
    _to("tenants", "tenant_id"),
    _to("users", "user_id", nullable=True),
    _to("service_accounts", "service_account_id", nullable=True),
    _text("name", 200),
    _text("scopes", 200, nullable=True),  # space-separated; null: all scopes of the role
    _text("digest", 64),
    _text("pepper_id", 8),
    _moment("created_at", nullable=False),
    _moment("expires_at", nullable=False),
    _moment("revoked_at"),
    _moment("last_used_at"),
    CheckConstraint("(user_id IS NULL) <> (service_account_id IS NULL)", name="api_keys_have_one_owner"),
    Index("api_keys_of_tenant", "tenant_id", "created_at"),
    Index("api_keys_of_user", "user_id"),
    Index("api_keys_of_service_account", "service_account_id"),
)
audit_events: Final = Table(  # append-only, by triggers; the columns after `at` are the fields of AuditEvent
    "audit_events",
    metadata,
    _id(32),
    _moment("at", nullable=False),
    _text("action", 50),
    _text("outcome", 50),
    _text("tenant", 40),
    _text("actor", 100),
    _text("credential", 100),
    _text("tool", 100),
    _text("object", 200),
    _text("acting_as", 100),
    _text("request_id", 200),
    _text("trace", 100),
    _text("detail", 500),
    Index("audit_events_by_time", "at", "id"),
    Index("audit_events_of_tenant", "tenant", "at", "id"),
)
