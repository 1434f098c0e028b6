"""What the report is made of: plain rows and texts, gathered by the pipeline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def table_file(experiment_id: str, name: str) -> str:
    """Where a table of an experiment is, relative to its report."""
    if name == "errors":
        return f"../../07_reporting/{experiment_id}/{name}.csv"
    if name.endswith("_analysis") or name == "parsed_scores":
        return f"../../05_parsing/{experiment_id}/{name}.csv"
    return f"{name}.csv"


@dataclass(frozen=True)
class Level:
    """One level of a factor: a template, a model, a concept.

    Attributes:
        id: Its name in the tables.
        name: Its name for people.
        detail: What else there is to say; '' for nothing.
    """

    id: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Design:
    """What was planned, by all runs of the experiment together.

    Attributes:
        combinations: Names of the concepts of each, by ``combo_id``.
        k_max: Concepts per combination: as many different numbers as there are.
        description_levels: Of the concepts' texts, likewise.
    """

    concepts: Sequence[Level]
    combinations: Mapping[str, Sequence[str]]
    generation_templates: Sequence[Level]
    generation_models: Sequence[Level]
    evaluation_templates: Sequence[Level]
    evaluation_models: Sequence[Level]
    k_max: Sequence[int]
    description_levels: Sequence[str]
    essays: int
    evaluations: int
    generation_replicates: int
    evaluation_replicates: int

    def combination(self, combo_id: str) -> str:
        """A combination by the names of its concepts; by its ID where they are not known."""
        return " + ".join(self.combinations.get(combo_id, ())) or combo_id


@dataclass(frozen=True)
class Money:
    """Attempts at calls and what they cost, in billionths of a US dollar; see ``pipeline.cost.Spending``."""

    attempts: int = 0
    spent_nanousd: int = 0
    reserved_nanousd: int = 0
    unknown: int = 0
    cut_off: int = 0
    unpriced: int = 0


@dataclass(frozen=True)
class Costs:
    """What the experiment cost. Its cap is not told: that may change without a call."""

    total: Money
    by_model: Mapping[str, Money]
    by_stage: Mapping[str, Money]
    by_day: Mapping[str, Money]


@dataclass(frozen=True)
class Calls:
    """Planned calls of one stage and model, by how they stand."""

    stage: str
    model: str
    planned: int
    answered: int
    failed: int
    waiting: int


@dataclass(frozen=True)
class Failures:
    """Failed attempts of one kind.

    Attributes:
        cells: How many different calls they were at.
        example: One of their messages.
    """

    stage: str
    model: str
    error_class: str
    attempts: int
    cells: int
    example: str


@dataclass(frozen=True)
class EssayScore:
    """What one judge gave one essay; no ``score`` where it could not be read, and ``error`` says why."""

    evaluation_task_id: str
    judge: str
    rubric: str
    replicate: int
    score: float | None
    score_min: float
    score_max: float
    error: str = ""

    @property
    def share(self) -> float | None:
        """The score as a share of its scale, 0 to 1."""
        return (
            None if self.score is None else (self.score - self.score_min) / (self.score_max - self.score_min)
        )


@dataclass(frozen=True)
class Essay:
    """An essay in full.

    Attributes:
        value: What it was chosen for: its mean score, or the SD of its judges' means.
        scale: Of ``value``.
        text: None where no essay file is there.
        verdicts: Some of the judges' answers, by evaluation ID.
    """

    generation_task_id: str
    combo_id: str
    generation_template: str
    generation_model: str
    generation_replicate: int
    value: float
    scale: str
    text: str | None
    scores: Sequence[EssayScore] = ()
    verdicts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """Answers of one model as the provider names it."""

    stage: str
    model: str
    requested: str
    returned: str
    provider: str
    answers: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class RunLine:
    """A run that gave answers of the experiment, be it one of another experiment; '' for what is not known.

    Attributes:
        answers: How many it gave.
        inputs_digest: Of its frozen inputs, which are at ``inputs_path``.
    """

    run_id: str
    experiment_id: str
    started_at: str
    answers: int
    inputs_digest: str
    inputs_path: str


@dataclass(frozen=True)
class Origin:
    """Where everything came from.

    Attributes:
        spec: Parameters as YAML.
        saved_experiment: Name of the saved experiment; '' where there is none.
        made_with: Versions of what the statistics were calculated with.
        hashes: SHA-256 by file, relative to the report.
    """

    spec: str
    saved_experiment: str
    code_version: str
    made_with: str
    runs: Sequence[RunLine]
    served: Sequence[Served]
    hashes: Mapping[str, str]


@dataclass(frozen=True)
class Source:
    """Everything that the report shows.

    Attributes:
        question: Paragraph that says what the experiment is about; '' where nobody wrote one.
        first_call_at: Start of the first answered call; '' where no record says when.
        last_answer_at: End of the last one.
        tables: Rows of the statistics, by name; see docs/statistics.md.
        distributions: Scores on 0–10 by judge; NaN for an evaluation without a score.
        unscored: Why evaluations have no score, and how many.
    """

    experiment_id: str
    question: str
    first_call_at: str
    last_answer_at: str
    design: Design
    tables: Mapping[str, Rows]
    distributions: Mapping[str, Sequence[float]]
    unscored: Sequence[tuple[str, int]]
    costs: Costs
    calls: Sequence[Calls]
    failures: Sequence[Failures]
    best: Sequence[Essay]
    disputed: Sequence[Essay]
    origin: Origin

    def table(self, name: str) -> Rows:
        """The rows of a table; none where it was not written."""
        return self.tables.get(name, ())

    def file(self, name: str) -> str:
        """Where a table is, relative to the report."""
        return table_file(self.experiment_id, name)

    @property
    def scored(self) -> int:
        """Evaluations with a score."""
        return self.design.evaluations - sum(number for _, number in self.unscored)
