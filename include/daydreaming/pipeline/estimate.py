"""What a run would call, before anything is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from daydreaming.design.cells import Evaluation, Generation
from daydreaming.errors import DesignError
from daydreaming.inputs.snapshot import Inputs
from daydreaming.llm.price import call_cost_usd
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.plan import design_evaluations, design_generations
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import read_run


@dataclass(frozen=True)
class ModelCalls:
    """Planned calls of one stage and model."""

    stage: str
    model: str
    planned: int
    answered: int

    @property
    def new(self) -> int:
        """Calls that would be made."""
        return self.planned - self.answered


@dataclass(frozen=True)
class PlanSummary:
    """Counts of a plan, and how much of it is answered already."""

    combinations: int
    generations: int
    evaluations: int
    generations_answered: int
    evaluations_answered: int
    calls: tuple[ModelCalls, ...] = field(default=())


def summarize_plan(data_root: Path, inputs: Inputs) -> PlanSummary:
    """Plan some inputs and compare with the stored responses; writes nothing."""
    files = DataRoot(data_root)
    combinations, generations = design_generations(inputs)
    evaluations = design_evaluations(inputs, generations)
    calls = (
        *_calls("generation", _by_model(generations), files.answered_ids("generation")),
        *_calls("evaluation", _by_model(evaluations), files.answered_ids("evaluation")),
    )
    return PlanSummary(
        combinations=len(combinations),
        generations=len(generations),
        evaluations=len(evaluations),
        generations_answered=sum(c.answered for c in calls if c.stage == "generation"),
        evaluations_answered=sum(c.answered for c in calls if c.stage == "evaluation"),
        calls=calls,
    )


@dataclass(frozen=True)
class Estimate:
    """What a run will call, and whether it stops there.

    Attributes:
        worst_case_usd: Price of the new calls if each used all its ``max_tokens``; None where a
            price is unknown.
    """

    summary: PlanSummary
    worst_case_usd: float | None
    dry_run: bool

    def lines(self) -> list[str]:
        """The estimate as a person reads it."""
        price = "unknown (a model has no price)"
        if self.worst_case_usd is not None:
            price = f"{self.worst_case_usd:.4f} US dollars"
        return [*summary_lines(self.summary), f"Price of the new calls' answers, at worst: {price}"]


def estimate_run(settings: Settings, run_id: str) -> Estimate:
    """Estimate a planned run.

    Raises:
        DesignError: A price is unknown that ``max_cost_usd`` needs. (Where the worst case passes the cap
            the run goes on: the ledger stops it before it does.)
    """
    inputs = frozen_inputs(settings.data_root, read_run(engine_for(settings), run_id))
    summary = summarize_plan(settings.data_root, inputs)
    estimate = Estimate(summary, worst_case_usd(inputs, summary), inputs.params["dry_run"])
    _check_cost(estimate, inputs.params["max_cost_usd"])
    return estimate


def _by_model(cells: Iterable[Generation | Evaluation]) -> Iterable[tuple[str, str]]:
    for cell in cells:
        if isinstance(cell, Generation):
            yield cell.generation_model, cell.generation_task_id
        else:
            yield cell.evaluation_model, cell.evaluation_task_id


def _calls(
    stage: str, cells: Iterable[tuple[str, str]], answered_ids: Collection[str]
) -> Iterable[ModelCalls]:
    planned: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for model, cell_id in cells:
        planned[model] += 1
        answered[model] += cell_id in answered_ids
    return [ModelCalls(stage, model, count, answered[model]) for model, count in planned.items()]


def summary_lines(summary: PlanSummary) -> list[str]:
    """The summary as a person reads it."""
    lines = [
        f"{summary.combinations:,} combinations",
        f"{summary.generations:,} generations, {summary.generations_answered:,} answered already",
        f"{summary.evaluations:,} evaluations, {summary.evaluations_answered:,} answered already",
    ]
    lines += [
        f"  {c.stage} by {c.model}: {c.planned:,} planned, {c.answered:,} reused, {c.new:,} new"
        for c in summary.calls
    ]
    return lines


def summary_json(summary: PlanSummary) -> Mapping[str, int]:
    """The counts, as ``daydreaming plan --json`` prints them."""
    return {
        "combinations": summary.combinations,
        "generations": summary.generations,
        "evaluations": summary.evaluations,
        "generations_answered": summary.generations_answered,
        "evaluations_answered": summary.evaluations_answered,
    }


#: English prose has about four characters per token; three leaves room for other text.
_CHARS_PER_TOKEN = 3


def worst_case_usd(inputs: Inputs, summary: PlanSummary) -> float | None:
    """Price of the new calls if every answer used all of ``max_tokens``; None where a price is unknown.

    An evaluation's prompt is taken to hold an essay of ``generation_max_tokens``.
    """
    total = 0.0
    for calls in summary.calls:
        if not calls.new:
            continue
        price = _call_usd(inputs, calls)
        if price is None:
            return None
        total += calls.new * price
    return total


def _call_usd(inputs: Inputs, calls: ModelCalls) -> float | None:
    params = inputs.params
    if calls.stage == "generation":
        model = inputs.generation_model(calls.model)
        sizes = sorted((len(c.content(params["description_level"])) for c in inputs.concepts), reverse=True)
        chars = max(len(t.text) for t in inputs.generation_templates) + sum(sizes[: params["k_max"]])
        return call_cost_usd(model, chars // _CHARS_PER_TOKEN, params["generation_max_tokens"])
    model = inputs.evaluation_model(calls.model)
    chars = max(len(t.text) for t in inputs.evaluation_templates)
    prompt_tokens = chars // _CHARS_PER_TOKEN + params["generation_max_tokens"]
    return call_cost_usd(model, prompt_tokens, params["evaluation_max_tokens"])


def _check_cost(estimate: Estimate, max_cost_usd: float | None) -> None:
    if max_cost_usd is None:
        return
    if estimate.worst_case_usd is None:
        raise DesignError(
            f"max_cost_usd is {max_cost_usd:g}, but a model of this plan has no price in llm_models.csv "
            "(usd_per_1m_input, usd_per_1m_output). Fill it in, or leave max_cost_usd empty. "
            "Nothing was sent."
        )
