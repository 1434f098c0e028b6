"""Add to ratings which response was rated."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("ratings") as batch_op:
        batch_op.add_column(sa.Column("response_sha256", sa.String(length=64), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("ratings") as batch_op:
        batch_op.drop_column("response_sha256")
