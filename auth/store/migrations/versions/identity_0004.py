"""Adds which tenants were erased and when, so that their ids are not given to others and a restored backup is erased again.

Only adds a table that programs of the previous release neither read nor write. On PostgreSQL, roles with rights on the
table of tenants get the same on it, so that the server's role goes on serving without `--grant-to`.
Revision ID: identity_0004
Revises: identity_0003
"""

import sqlalchemy as sa
from alembic import op

from auth.store.tables import SCHEMA

revision = "identity_0004"
down_revision = "identity_0003"
branch_labels = None
depends_on = None
fits_programs_from = "identity_0003"

RIGHTS_ON_TENANTS = sa.text(
    "SELECT grantee, privilege_type FROM information_schema.role_table_grants WHERE table_schema = :schema "
    "AND table_name = 'tenants' AND privilege_type IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') "
    "AND grantee <> CURRENT_USER"
)


def upgrade() -> None:
    connection = op.get_bind()
    schema = SCHEMA if connection.dialect.name == "postgresql" else None
    op.create_table(
        "erased_tenants",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        schema=schema,
    )
    if schema is None:
        return
    quote = connection.dialect.identifier_preparer.quote
    for role, right in connection.execute(RIGHTS_ON_TENANTS, {"schema": schema}).all():
        to = "PUBLIC" if role == "PUBLIC" else quote(role)
        op.execute(sa.text(f"GRANT {right} ON {schema}.erased_tenants TO {to}"))
