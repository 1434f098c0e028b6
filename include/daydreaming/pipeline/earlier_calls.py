"""What earlier calls tell of those to come: how long answers are, and how much of the caps is gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from daydreaming.inputs.records import LLMModel, Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.pipeline.budgets import Cap, read_caps
from daydreaming.pipeline.experiments import has_results
from daydreaming.pipeline.plan import experiment_id_of
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import RunRecord
from daydreaming.store.spending import AnswerLength, answer_lengths

#: Completion tokens of a model that has not answered yet: an essay of about 1,100 words, a verdict of 300.
ASSUMED_TOKENS: Mapping[Stage, int] = {"generation": 1_500, "evaluation": 400}


@dataclass(frozen=True)
class EarlierCalls:
    """What is known before a run.

    Attributes:
        lengths: Of answers, by stage and model; without models that have not answered.
        caps: Of the experiment and of the day, where they are set.
        notes: Why less is known than there might be.
    """

    lengths: Mapping[tuple[Stage, str], AnswerLength]
    caps: tuple[Cap, ...]
    notes: tuple[str, ...] = ()

    def answers_seen(self, stage: Stage, model: str) -> int:
        """Answers of known length; 0 where the length is assumed."""
        length = self.lengths.get((stage, model))
        return length.answers if length else 0

    def answer_tokens(self, stage: Stage, model: str, max_tokens: int) -> int:
        """Completion tokens to expect of an answer: the mean so far, else ``ASSUMED_TOKENS``."""
        length = self.lengths.get((stage, model))
        return min(max_tokens, round(length.mean_tokens) if length else ASSUMED_TOKENS[stage])


def known_of_run(settings: Settings, inputs: Inputs, run: RunRecord) -> EarlierCalls:
    """What the results database says for a run that has started."""
    # A dry run has set none: it is estimated with the cap that it would bring.
    own_cap = inputs.params["max_cost_usd"] if inputs.params["dry_run"] else None
    caps = read_caps(settings, run.experiment_id, datetime.now(UTC), max_cost_usd=own_cap)
    return EarlierCalls(_read_lengths(settings, inputs), caps)


def known_of_plan(settings: Settings, inputs: Inputs) -> EarlierCalls:
    """The same for a run that may start, with the cap that it brings; can do without a results database."""
    experiment_id, own_cap = experiment_id_of(inputs, ""), inputs.params["max_cost_usd"]
    now = datetime.now(UTC)
    if not has_results(settings):
        return EarlierCalls({}, read_caps(settings, experiment_id, now, max_cost_usd=own_cap))
    from sqlalchemy.exc import SQLAlchemyError

    try:
        caps = read_caps(settings, experiment_id, now, max_cost_usd=own_cap)
        return EarlierCalls(_read_lengths(settings, inputs), caps)
    except SQLAlchemyError as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        note = f"The results database cannot be read ({cause}): neither caps nor earlier answers are known."
        return EarlierCalls({}, (), (note,))


def _read_lengths(settings: Settings, inputs: Inputs) -> dict[tuple[Stage, str], AnswerLength]:
    engine = engine_for(settings)
    stages: tuple[tuple[Stage, tuple[LLMModel, ...]], ...] = (
        ("generation", inputs.generation_models),
        ("evaluation", inputs.evaluation_models),
    )
    return {
        (stage, model): length
        for stage, models in stages
        for model, length in answer_lengths(engine, stage, [m.id for m in models]).items()
    }
