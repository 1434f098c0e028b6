"""Add shards and refusals to runs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("runs") as batch_op:
        batch_op.add_column(sa.Column("parent_run_id", sa.String(length=250), nullable=True))
        batch_op.add_column(sa.Column("shard", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("shards", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("refusal", sa.Text(), nullable=True))
        batch_op.create_index("ix_runs_parent_run_id", ["parent_run_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("runs") as batch_op:
        batch_op.drop_index("ix_runs_parent_run_id")
        for column in ("refusal", "shards", "shard", "parent_run_id"):
            batch_op.drop_column(column)
