"""Create the table of verdicts that an experiment reads otherwise than their row."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_ID = sa.String(length=250)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "own_readings",
        sa.Column("experiment_id", _ID, primary_key=True),
        sa.Column("evaluation_task_id", _ID, primary_key=True),
        sa.Column("parser", sa.String(length=30), nullable=False),
        sa.Column("score_min", sa.Float(), nullable=False),
        sa.Column("score_max", sa.Float(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("score_error", sa.Text(), nullable=True),
    )
    op.create_index("ix_own_readings_evaluation_task_id", "own_readings", ["evaluation_task_id"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("own_readings")
