"""Adds which tenants were erased and when, so that their ids are not given to others and a restored backup is erased again.

Only adds a table that programs of the previous release neither read nor write.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
fits_programs_from = "0005"


def upgrade() -> None:
    op.create_table(
        "erased_tenants",
        sa.Column("id", sa.String(50), primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
    )
