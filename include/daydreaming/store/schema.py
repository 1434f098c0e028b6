"""Tables of the results database (SQLAlchemy 2 models).

The files are the truth; these rows are derived from them, written as each answer lands, and
every CSV table is an export of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Float, Index, Integer, String, Text, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

ID_LENGTH = 250


class UtcDateTime(TypeDecorator[datetime]):
    """A point in time, kept as UTC; SQLite drops the zone, so it is put back when read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Turn any aware time to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Put the zone back where the database dropped it."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads it as declared
        datetime: UtcDateTime,
        dict[str, Any]: JSON,
        list[str]: JSON,
    }


class Run(Base):
    """One Airflow run of ``daydream_experiment`` and the frozen inputs that it works on.

    Attributes:
        inputs_path: Folder of the frozen copy, relative to the data root.
        params: The effective parameters.
        parent_run_id: The run that planned this one as a shard of its plan; NULL for a run that was
            triggered, which is itself shard 1.
        shard: Number of the shard, from 1, of ``shards``.
        refusal: Why nothing may be sent: a person refused the estimate; NULL where nobody did.
    """

    __tablename__ = "runs"

    run_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    inputs_digest: Mapped[str] = mapped_column(String(64))
    inputs_path: Mapped[str] = mapped_column(Text)
    params: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    parent_run_id: Mapped[str | None] = mapped_column(String(ID_LENGTH), index=True)
    shard: Mapped[int] = mapped_column(Integer, server_default="1")
    shards: Mapped[int] = mapped_column(Integer, server_default="1")
    refusal: Mapped[str | None] = mapped_column(Text)


class Combination(Base):
    """The concepts behind a ``combo_id``."""

    __tablename__ = "combinations"

    combo_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    concept_ids: Mapped[list[str]]
    description_level: Mapped[str] = mapped_column(String(20))
    k_max: Mapped[int]


class PlannedCall(Base):
    """What (run, stage, map index) means. Written once, never changed: a clear next week means the same."""

    __tablename__ = "planned_calls"

    run_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    stage: Mapped[str] = mapped_column(String(10), primary_key=True)
    map_index: Mapped[int] = mapped_column(Integer, primary_key=True)
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    pool: Mapped[str] = mapped_column(String(ID_LENGTH))
    model_name: Mapped[str] = mapped_column(Text)
    generation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    combo_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_template: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_model: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_replicate: Mapped[int]
    evaluation_template: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    evaluation_model: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    evaluation_replicate: Mapped[int | None]


class _Provenance:
    """How a stored response came to be: columns that both stages share."""

    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    run_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    replicate: Mapped[int]
    response_file: Mapped[str] = mapped_column(Text)
    response_size_bytes: Mapped[int] = mapped_column(BigInteger)
    response_sha256: Mapped[str] = mapped_column(String(64))
    prompt_sha256: Mapped[str | None] = mapped_column(String(64))
    request_hash: Mapped[str | None] = mapped_column(String(64))
    model_requested: Mapped[str | None] = mapped_column(Text)
    model_returned: Mapped[str | None] = mapped_column(Text)
    upstream_provider: Mapped[str | None] = mapped_column(Text)
    response_id: Mapped[str | None] = mapped_column(Text)
    finish_reason: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    cost_usd: Mapped[float | None] = mapped_column(Float)
    latency_s: Mapped[float | None] = mapped_column(Float)
    attempts: Mapped[int | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class GenerationResponse(_Provenance, Base):
    """One generator's answer; ``essay_error`` is set where no essay was found in it."""

    __tablename__ = "generations"

    generation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    combo_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    generation_template: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_model: Mapped[str] = mapped_column(String(ID_LENGTH))
    parser: Mapped[str] = mapped_column(String(30))
    essay_error: Mapped[str | None] = mapped_column(Text)


class EvaluationResponse(_Provenance, Base):
    """One judge's answer with its score; NULL score and an error where it could not be read."""

    __tablename__ = "evaluations"

    evaluation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    generation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    combo_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_template: Mapped[str] = mapped_column(String(ID_LENGTH))
    generation_model: Mapped[str] = mapped_column(String(ID_LENGTH))
    evaluation_template: Mapped[str] = mapped_column(String(ID_LENGTH))
    evaluation_model: Mapped[str] = mapped_column(String(ID_LENGTH))
    parser: Mapped[str] = mapped_column(String(30))
    score_min: Mapped[float] = mapped_column(Float)
    score_max: Mapped[float] = mapped_column(Float)
    score: Mapped[float | None] = mapped_column(Float)
    score_error: Mapped[str | None] = mapped_column(Text)


class Experiment(Base):
    """What was asked, when, by whom and with which code; one row per ``experiment_id``.

    Attributes:
        spec: The effective parameters of its latest run that was no shard of another.
        created_at: Start of its first run.
        updated_at: Start of its latest.
        created_by: Name of the Airflow user who triggered the first; NULL where none did (a schedule).
        code_version: Of the package that planned the latest run.
    """

    __tablename__ = "experiments"

    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    spec: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    created_by: Mapped[str | None] = mapped_column(String(ID_LENGTH))
    code_version: Mapped[str] = mapped_column(String(100))


class Membership(Base):
    """A response that serves an experiment; one response may serve many."""

    __tablename__ = "experiment_members"

    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    stage: Mapped[str] = mapped_column(String(10), primary_key=True)
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)

    __table_args__ = (Index("ix_experiment_members_cell", "stage", "cell_id"),)


class Score(Base):
    """One reading of a verdict: by this parser, in this version, on this scale.

    ``evaluations`` holds the reading that counts; a verdict that was read again keeps the others here.

    Attributes:
        scale: ``score_min-score_max`` as text, e.g. ``0-10``.
        score: NULL where the parser found none; ``error`` then says why.
    """

    __tablename__ = "scores"

    evaluation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    parser: Mapped[str] = mapped_column(String(30), primary_key=True)
    scale: Mapped[str] = mapped_column(String(50), primary_key=True)
    parser_version: Mapped[int]
    score: Mapped[float | None] = mapped_column(Float)
    error: Mapped[str | None] = mapped_column(Text)


class OwnReading(Base):
    """How an experiment reads a verdict whose row in ``evaluations`` another one's run reads otherwise.

    Attributes:
        score: NULL where its parser found none; ``score_error`` then says why.
    """

    __tablename__ = "own_readings"

    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    evaluation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True, index=True)
    parser: Mapped[str] = mapped_column(String(30))
    score_min: Mapped[float] = mapped_column(Float)
    score_max: Mapped[float] = mapped_column(Float)
    score: Mapped[float | None] = mapped_column(Float)
    score_error: Mapped[str | None] = mapped_column(Text)


class Rating(Base):
    """A person's score of an essay on a rubric, given without knowing where the essay came from.

    Attributes:
        rater: Name of the Airflow user.
        response_sha256: Of the response whose essay was rated; NULL in ratings of earlier releases.
    """

    __tablename__ = "ratings"

    rating_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    generation_task_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    evaluation_template: Mapped[str] = mapped_column(String(ID_LENGTH))
    rater: Mapped[str] = mapped_column(String(ID_LENGTH))
    score: Mapped[float] = mapped_column(Float)
    score_min: Mapped[float] = mapped_column(Float)
    score_max: Mapped[float] = mapped_column(Float)
    comment: Mapped[str | None] = mapped_column(Text)
    rated_at: Mapped[datetime]
    response_sha256: Mapped[str | None] = mapped_column(String(64))


class Statistic(Base):
    """One row of a table in ``06_summary`` or ``05_parsing``: what the CSV files hold, to query.

    Attributes:
        table_name: The file's name without its ending.
        position: Place of the row in the table, from 0.
    """

    __tablename__ = "statistics"

    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(100), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    row: Mapped[dict[str, Any]]


class CellFailure(Base):
    """One failed attempt at a cell.

    Attributes:
        attempt: Number of the call, from 1; 0 where nothing was sent (no essay to judge, a stale answer).
        final: True where this failure ended the task instance's try.
    """

    __tablename__ = "failures"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    run_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    stage: Mapped[str] = mapped_column(String(10))
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    model: Mapped[str] = mapped_column(String(ID_LENGTH))
    attempt: Mapped[int]
    error_class: Mapped[str] = mapped_column(String(100))
    message: Mapped[str] = mapped_column(Text)
    final: Mapped[bool]
    occurred_at: Mapped[datetime]

    __table_args__ = (Index("ix_failures_experiment_cell", "experiment_id", "cell_id"),)


class Claim(Base):
    """A lease on a cell that is being called, so that nobody else calls it at the same time."""

    __tablename__ = "claims"

    stage: Mapped[str] = mapped_column(String(10), primary_key=True)
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[datetime]


class LLMCall(Base):
    """One attempt at a call, reserved before it is sent and settled afterwards: the ledger.

    Money is in billionths of a US dollar, as whole numbers: sums of them are exact.

    Attributes:
        owner: The lease that the attempt was made under.
        attempt: Number of the attempt within its task instance's try, from 1.
        state: ``reserved`` until it is settled; then ``answered``, ``failed``, ``unsent`` (given up
            before it was sent) or ``unknown`` (sent, and nobody can tell what became of it: it
            counts with its worst case).
        reserved_nanousd: Worst case; NULL where the model has no price.
        cost_nanousd: What it cost; NULL while reserved and where neither price nor cost is known.
        price_source: Where the reserved price came from (``llm_models.csv``, a price list).
        cost_source: ``provider``, the price's source, ``worst case`` or ``unknown``.
        budget_day: Day (UTC) whose budget it counts against.
        start_at: When it was to be sent, in seconds since 1970 by the limiter's clock.
    """

    __tablename__ = "llm_calls"

    call_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    experiment_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    run_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    stage: Mapped[str] = mapped_column(String(10))
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    model_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    conn_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    model_name: Mapped[str] = mapped_column(Text)
    attempt: Mapped[int]
    state: Mapped[str] = mapped_column(String(10))
    reserved_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    cost_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    price_source: Mapped[str | None] = mapped_column(Text)
    cost_source: Mapped[str | None] = mapped_column(Text)
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    upstream_provider: Mapped[str | None] = mapped_column(Text)
    error_class: Mapped[str | None] = mapped_column(String(100))
    budget_day: Mapped[str] = mapped_column(String(10))
    start_at: Mapped[float] = mapped_column(Float)
    reserved_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_llm_calls_experiment", "experiment_id", "state"),
        Index("ix_llm_calls_model_start", "conn_id", "model_name", "start_at"),
    )


class Budget(Base):
    """Money of one scope: what is reserved, what is spent, and the cap on both together.

    Attributes:
        scope: ``experiment:<id>`` or ``day:<YYYY-MM-DD>`` (UTC).
        cap_nanousd: NULL for no cap. A day's cap comes from the deployment's settings instead.
    """

    __tablename__ = "budgets"

    scope: Mapped[str] = mapped_column(String(ID_LENGTH + 20), primary_key=True)
    cap_nanousd: Mapped[int | None] = mapped_column(BigInteger)
    reserved_nanousd: Mapped[int] = mapped_column(BigInteger)
    spent_nanousd: Mapped[int] = mapped_column(BigInteger)


class CallStart(Base):
    """A start time that the limiter handed out for one attempt.

    Attributes:
        queued_at: When its cell first asked, by the limiter's clock: who asked first goes first.
        start_at: When it may be sent, by the limiter's clock (seconds since 1970).
        tokens: Tokens that it counts with.
        waiting: False once it was sent.
    """

    __tablename__ = "call_starts"

    call_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    conn_id: Mapped[str] = mapped_column(String(ID_LENGTH))
    model_name: Mapped[str] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(10))
    cell_id: Mapped[str] = mapped_column(String(ID_LENGTH), index=True)
    queued_at: Mapped[float] = mapped_column(Float)
    start_at: Mapped[float] = mapped_column(Float)
    tokens: Mapped[int]
    waiting: Mapped[bool]

    __table_args__ = (Index("ix_call_starts_model", "conn_id", "model_name", "start_at"),)


class ModelRate(Base):
    """What the limiter has learned about one model behind one connection; times by its clock.

    Attributes:
        paused_until: Nothing is sent before.
        learned_rpm: Requests per minute that it was seen to allow; NULL where it never refused.
        learned_tpm: Tokens per minute likewise.
        learned_at: When that was learned.
        is_stated: True where the provider stated it; what was only observed is tried upwards again.
        ramp_from: Since when the model without a limit is called faster and faster.
        ramp_count: Starts since then.
    """

    __tablename__ = "model_rates"

    conn_id: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    model_name: Mapped[str] = mapped_column(String(ID_LENGTH), primary_key=True)
    paused_until: Mapped[float] = mapped_column(Float)
    learned_rpm: Mapped[int | None]
    learned_tpm: Mapped[int | None]
    learned_at: Mapped[float | None] = mapped_column(Float)
    is_stated: Mapped[bool]
    ramp_from: Mapped[float] = mapped_column(Float)
    ramp_count: Mapped[int]
