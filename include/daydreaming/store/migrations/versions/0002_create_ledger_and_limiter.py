"""Create the tables of the ledger and of the limiter."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "llm_calls",
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("experiment_id", sa.String(length=250), nullable=False),
        sa.Column("run_id", sa.String(length=250), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("cell_id", sa.String(length=250), nullable=False),
        sa.Column("model_id", sa.String(length=250), nullable=False),
        sa.Column("conn_id", sa.String(length=250), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("reserved_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("cost_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("price_source", sa.Text(), nullable=True),
        sa.Column("cost_source", sa.Text(), nullable=True),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column("upstream_provider", sa.Text(), nullable=True),
        sa.Column("error_class", sa.String(length=100), nullable=True),
        sa.Column("budget_day", sa.String(length=10), nullable=False),
        sa.Column("start_at", sa.Float(), nullable=False),
        sa.Column("reserved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("call_id"),
    )
    with op.batch_alter_table("llm_calls") as batch_op:
        batch_op.create_index("ix_llm_calls_cell_id", ["cell_id"], unique=False)
        batch_op.create_index("ix_llm_calls_experiment", ["experiment_id", "state"], unique=False)
        batch_op.create_index("ix_llm_calls_model_start", ["conn_id", "model_name", "start_at"], unique=False)
    op.create_table(
        "budgets",
        sa.Column("scope", sa.String(length=270), nullable=False),
        sa.Column("cap_nanousd", sa.BigInteger(), nullable=True),
        sa.Column("reserved_nanousd", sa.BigInteger(), nullable=False),
        sa.Column("spent_nanousd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope"),
    )
    op.create_table(
        "call_starts",
        sa.Column("call_id", sa.String(length=32), nullable=False),
        sa.Column("conn_id", sa.String(length=250), nullable=False),
        sa.Column("model_name", sa.Text(), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("cell_id", sa.String(length=250), nullable=False),
        sa.Column("queued_at", sa.Float(), nullable=False),
        sa.Column("start_at", sa.Float(), nullable=False),
        sa.Column("tokens", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("call_id"),
    )
    with op.batch_alter_table("call_starts") as batch_op:
        batch_op.create_index("ix_call_starts_cell_id", ["cell_id"], unique=False)
        batch_op.create_index("ix_call_starts_model", ["conn_id", "model_name", "start_at"], unique=False)
    op.create_table(
        "model_rates",
        sa.Column("conn_id", sa.String(length=250), nullable=False),
        sa.Column("model_name", sa.String(length=250), nullable=False),
        sa.Column("paused_until", sa.Float(), nullable=False),
        sa.Column("learned_rpm", sa.Integer(), nullable=True),
        sa.Column("learned_tpm", sa.Integer(), nullable=True),
        sa.Column("learned_at", sa.Float(), nullable=True),
        sa.Column("is_stated", sa.Boolean(), nullable=False),
        sa.Column("ramp_from", sa.Float(), nullable=False),
        sa.Column("ramp_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("conn_id", "model_name"),
    )


def downgrade() -> None:
    """Undo."""
    for table in ("model_rates", "call_starts", "budgets", "llm_calls"):
        op.drop_table(table)
