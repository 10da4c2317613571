"""The authorization server: clients, sign-ins, codes, grants, signing keys, domains and invitations.

Only adds tables, so programs of the previous release go on running. On PostgreSQL, roles with rights on the table of
users get the same on the new ones, so that the server's role goes on serving without `--grant-to`.
Revision ID: identity_0003
Revises: identity_0002
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op

from auth.store.tables import SCHEMA

revision = "identity_0003"
down_revision = "identity_0002"
branch_labels = None
depends_on = None
fits_programs_from = "identity_0002"

TABLES = "oauth_clients sign_ins authorization_codes grants signing_keys tenant_domains invitations".split()
RIGHTS_ON_USERS = sa.text(
    "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_schema = :schema "
    "AND table_name = 'users' AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') AND grantee <> CURRENT_USER"
)


def upgrade() -> None:
    schema = SCHEMA if op.get_bind().dialect.name == "postgresql" else None

    def to(column: str, target: str) -> sa.Column[str]:
        place = f"{schema}.{target}" if schema else target
        return sa.Column(column, sa.String(40), sa.ForeignKey(place), nullable=False)

    def moment(name: str, *, nullable: bool = False) -> sa.Column[datetime]:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)

    def text(name: str, length: int, *, nullable: bool = False, primary_key: bool = False) -> sa.Column[str]:
        return sa.Column(name, sa.String(length), nullable=nullable, primary_key=primary_key)

    op.create_table(
        "oauth_clients",
        text("id", 500, primary_key=True),
        text("source", 20),
        sa.Column("metadata", sa.Text, nullable=False),
        moment("created_at"),
        moment("fetched_at", nullable=True),
        moment("last_used_at"),
        schema=schema,
    )
    op.create_index("oauth_clients_by_use", "oauth_clients", ["source", "last_used_at"], schema=schema)
    op.create_table(
        "sign_ins",
        text("digest", 64, primary_key=True),
        sa.Column("sealed", sa.Text, nullable=False),
        moment("expires_at"),
        schema=schema,
    )
    op.create_index("sign_ins_by_end", "sign_ins", ["expires_at"], schema=schema)

    def allowed() -> list[sa.Column[str]]:
        return [
            to("user_id", "users.id"),
            to("identity_id", "identities.id"),
            to("tenant_id", "tenants.id"),
            text("client_id", 500),
            text("redirect_uri", 2000),
            text("resource", 2000),
            text("scopes", 200),
        ]

    op.create_table(
        "authorization_codes",
        text("digest", 64, primary_key=True),
        text("grant_id", 40),
        *allowed(),
        text("code_challenge", 128),
        moment("expires_at"),
        moment("used_at", nullable=True),
        schema=schema,
    )
    op.create_index("authorization_codes_by_end", "authorization_codes", ["expires_at"], schema=schema)
    op.create_table(
        "grants",
        text("id", 40, primary_key=True),
        *allowed(),
        text("seed", 64),
        sa.Column("generation", sa.Integer, nullable=False),
        moment("created_at"),
        moment("last_used_at"),
        moment("expires_at"),
        moment("revoked_at", nullable=True),
        text("revoked_because", 40, nullable=True),
        schema=schema,
    )
    op.create_index("grants_of_user", "grants", ["user_id", "client_id"], schema=schema)
    op.create_index("grants_by_end", "grants", ["expires_at"], schema=schema)
    op.create_table(
        "signing_keys",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        text("key_id", 64),
        sa.Column("sealed", sa.Text, nullable=False),
        moment("created_at"),
        sa.UniqueConstraint("key_id", name="signing_keys_by_key_id"),
        schema=schema,
    )
    op.create_table(
        "tenant_domains",
        text("domain", 253, primary_key=True),
        to("tenant_id", "tenants.id"),
        text("role", 20),
        moment("created_at"),
        schema=schema,
    )
    op.create_index("tenant_domains_of_tenant", "tenant_domains", ["tenant_id"], schema=schema)
    op.create_table(
        "invitations",
        text("id", 40, primary_key=True),
        text("email", 254),
        to("tenant_id", "tenants.id"),
        text("role", 20),
        moment("created_at"),
        moment("expires_at"),
        moment("accepted_at", nullable=True),
        moment("withdrawn_at", nullable=True),
        schema=schema,
    )
    op.create_index("invitations_of_email", "invitations", ["email"], schema=schema)
    op.create_index("invitations_of_tenant", "invitations", ["tenant_id"], schema=schema)
    if schema is not None:
        _grant_as_on_users(schema)


def _grant_as_on_users(schema: str) -> None:
    quote = op.get_bind().dialect.identifier_preparer.quote
    tables = ", ".join(f"{schema}.{table}" for table in TABLES)
    for role, right in op.get_bind().execute(RIGHTS_ON_USERS, {"schema": schema}).all():
        op.execute(sa.text(f"GRANT {right} ON {tables} TO {'PUBLIC' if role == 'PUBLIC' else quote(role)}"))
