"""Create experiments, their members, scores, ratings and statistics."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.String(length=250)
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "experiments",
        sa.Column("experiment_id", _ID, primary_key=True),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.Column("created_by", _ID, nullable=True),
        sa.Column("code_version", sa.String(length=100), nullable=False),
    )
    op.create_table(
        "experiment_members",
        sa.Column("experiment_id", _ID, primary_key=True),
        sa.Column("stage", sa.String(length=10), primary_key=True),
        sa.Column("cell_id", _ID, primary_key=True),
    )
    op.create_index("ix_experiment_members_cell", "experiment_members", ["stage", "cell_id"])
    op.create_table(
        "scores",
        sa.Column("evaluation_task_id", _ID, primary_key=True),
        sa.Column("parser", sa.String(length=30), primary_key=True),
        sa.Column("scale", sa.String(length=50), primary_key=True),
        sa.Column("parser_version", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
    )
    op.create_table(
        "ratings",
        sa.Column("rating_id", sa.String(length=32), primary_key=True),
        sa.Column("generation_task_id", _ID, nullable=False),
        sa.Column("evaluation_template", _ID, nullable=False),
        sa.Column("rater", _ID, nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("score_min", sa.Float(), nullable=False),
        sa.Column("score_max", sa.Float(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("rated_at", _TIME, nullable=False),
    )
    op.create_index("ix_ratings_generation_task_id", "ratings", ["generation_task_id"])
    op.create_table(
        "statistics",
        sa.Column("experiment_id", _ID, primary_key=True),
        sa.Column("table_name", sa.String(length=100), primary_key=True),
        sa.Column("position", sa.Integer(), primary_key=True),
        sa.Column("row", sa.JSON(), nullable=False),
    )


def downgrade() -> None:
    """Undo."""
    for name in ("statistics", "ratings", "scores", "experiment_members", "experiments"):
        op.drop_table(name)
