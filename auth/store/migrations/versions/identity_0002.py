"""Identities have an id, by which they can be removed, and may belong to a service account.

On PostgreSQL the table is altered in place, so the rights of the server's role stay; SQLite copies it.
Revision ID: identity_0002
Revises: identity_0001
"""

import secrets

import sqlalchemy as sa
from alembic import op

from auth.store.tables import SCHEMA

revision = "identity_0002"
down_revision = "identity_0001"
branch_labels = None
depends_on = None
fits_programs_from = "identity_0002"


def upgrade() -> None:
    schema = SCHEMA if op.get_bind().dialect.name == "postgresql" else None
    of_account = sa.ForeignKey(
        f"{schema}.service_accounts.id" if schema else "service_accounts.id", name="identities_of_accounts"
    )
    with op.batch_alter_table("identities", schema=schema) as batch:
        batch.add_column(sa.Column("id", sa.String(40)))
        batch.add_column(sa.Column("service_account_id", sa.String(40), of_account))
        batch.add_column(sa.Column("removed_at", sa.DateTime(timezone=True)))
        batch.alter_column("user_id", existing_type=sa.String(40), nullable=True)
    identities = sa.table("identities", *map(sa.column, ("issuer", "subject", "id")), schema=schema)
    for issuer, subject in op.get_bind().execute(sa.select(identities.c.issuer, identities.c.subject)).all():
        mine = (identities.c.issuer == issuer) & (identities.c.subject == subject)
        op.execute(sa.update(identities).where(mine).values(id=f"idn_{secrets.token_hex(8)}"))
    with op.batch_alter_table("identities", schema=schema) as batch:
        batch.alter_column("id", existing_type=sa.String(40), nullable=False)
        batch.create_unique_constraint("identities_by_id", ["id"])
        batch.create_check_constraint(
            "identities_have_one_owner", "(user_id IS NULL) <> (service_account_id IS NULL)"
        )
        batch.create_index("identities_of_service_account", ["service_account_id"])
