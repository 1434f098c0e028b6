"""What a run would call, what that may cost and how long it takes, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daydreaming.errors import DesignError
from daydreaming.inputs.records import Stage
from daydreaming.inputs.snapshot import Inputs
from daydreaming.llm.limits import RateLimits
from daydreaming.llm.price import ModelPrice, call_nanousd, to_nanousd, to_usd, usd_text, worst_case_nanousd
from daydreaming.pipeline.budgets import Cap
from daydreaming.pipeline.called_limits import CalledLimits, LimitsReader
from daydreaming.pipeline.earlier_calls import EarlierCalls, known_of_plan, known_of_run
from daydreaming.pipeline.env_connections import limits_in_env
from daydreaming.pipeline.estimate_text import estimate_lines, estimate_markdown, no_price_text
from daydreaming.pipeline.frozen import frozen_inputs
from daydreaming.pipeline.new_calls import USUAL_BYTES_PER_TOKEN, ModelCalls, count_calls
from daydreaming.pipeline.pricing import planned_price
from daydreaming.pipeline.rejudge import Essays, essays_of_inputs, essays_of_run, rejudges
from daydreaming.pipeline.wall_time import Load, starting_time_s, wall_time_s
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import read_run


@dataclass(frozen=True)
class ModelEstimate:
    """Calls of one stage and model, and what the new ones take.

    Attributes:
        answered: Planned calls that have an answer, which is reused, or stale.
        stale: Of these, those that answer another request; what becomes of them says ``on_stale``.
        prompt_tokens: Expected, of all new calls together; ``completion_tokens`` likewise.
        tokens_each: Completion tokens expected of one answer.
        answers_seen: Of how many answers that is the mean; 0 where it is assumed.
        expected_nanousd: In billionths of a US dollar; None without a price, as ``worst_nanousd``.
        worst_nanousd: The sum of what the ledger may reserve for one attempt at each new call.
        wall_time_s: From the first start to the last, at the model's limits.
    """

    stage: Stage
    model: str
    planned: int
    answered: int
    prompt_tokens: int
    completion_tokens: int
    tokens_each: int
    answers_seen: int
    price: ModelPrice | None
    expected_nanousd: int | None
    worst_nanousd: int | None
    wall_time_s: float
    stale: int = 0

    @property
    def new(self) -> int:
        """Calls that would be made."""
        return self.planned - self.answered


@dataclass(frozen=True)
class Estimate:
    """What a run will call and cost, whether it stops there, and whether a person is to approve it.

    Attributes:
        wall_time_s: At the models' limits, without the models' own latency.
        limit_sources: Where limits of models that would be called are set.
        conn_ids: Airflow connections of the models that would be called.
        stale: Stored answers to other requests than this plan's.
        on_stale: What becomes of them.
        approve_above_usd: Price above which a person is asked; None to ask nobody.
        caps: On what may be spent: the experiment's and the day's, where they are set.
        notes: What else a person should know.
    """

    combinations: int
    generations: int
    evaluations: int
    models: tuple[ModelEstimate, ...]
    wall_time_s: float = 0.0
    dry_run: bool = False
    approve_above_usd: float | None = None
    caps: tuple[Cap, ...] = ()
    notes: tuple[str, ...] = ()
    limit_sources: tuple[str, ...] = ()
    conn_ids: tuple[str, ...] = ()
    stale: int = 0
    on_stale: str = "fail"

    @property
    def new_calls(self) -> int:
        """Calls that would be made."""
        return sum(model.new for model in self.models)

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Models that would be called and have no price."""
        return tuple(dict.fromkeys(m.model for m in self.models if m.new and m.price is None))

    @property
    def expected_nanousd(self) -> int | None:
        """Price that is expected, in billionths of a US dollar; None where one is unknown."""
        return None if self.unpriced else sum(m.expected_nanousd or 0 for m in self.models)

    @property
    def worst_nanousd(self) -> int | None:
        """Price with the longest prompts and answers, one attempt at each call; None where one is unknown."""
        return None if self.unpriced else sum(m.worst_nanousd or 0 for m in self.models)

    @property
    def expected_usd(self) -> float | None:
        """``expected_nanousd`` in US dollars."""
        return None if self.expected_nanousd is None else to_usd(self.expected_nanousd)

    @property
    def worst_case_usd(self) -> float | None:
        """``worst_nanousd`` in US dollars."""
        return None if self.worst_nanousd is None else to_usd(self.worst_nanousd)

    @property
    def needs_approval(self) -> bool:
        """Whether the worst case is above ``approve_above_usd``, or unknown."""
        if self.approve_above_usd is None:
            return False
        return self.worst_nanousd is None or self.worst_nanousd > to_nanousd(self.approve_above_usd)

    def answered(self, stage: Stage) -> int:
        """Cells of a stage that are answered already."""
        return sum(m.answered for m in self.models if m.stage == stage)

    def worst_case_text(self) -> str:
        """The worst case as a person reads it."""
        return (
            "an unknown sum" if self.worst_nanousd is None else f"{usd_text(self.worst_nanousd)} US dollars"
        )

    def lines(self, width: int | None = None) -> list[str]:
        """The estimate as a person reads it; its table without columns for which ``width`` has no room."""
        return estimate_lines(self, width)

    def markdown(self) -> str:
        """The estimate for a person who is to approve it."""
        return estimate_markdown(self)


def estimate_run(settings: Settings, run_id: str, read_limits: LimitsReader = limits_in_env) -> Estimate:
    """Estimate a planned run.

    Where the worst case passes a cap the run goes on: the ledger stops calls before they pass it.

    Args:
        settings: The deployment's settings.
        run_id: The run.
        read_limits: Gives the limits that are set in a connection; of those in the environment alone
            where Airflow is not at hand.

    Raises:
        InputError: A connection's limits cannot be used.
        DesignError: A model that would be called has no price, and a cap is set: the ledger would
            refuse each of its calls.
    """
    run = read_run(engine_for(settings), run_id)
    inputs = frozen_inputs(settings.data_root, run)
    essays = essays_of_run(settings, run) if rejudges(inputs.params) else None
    known = known_of_run(settings, inputs, run)
    estimate = _estimate(settings, inputs, known, essays, read_limits)
    if estimate.unpriced and estimate.caps:
        raise DesignError(f"{no_price_text(estimate)} Nothing was sent.")
    return estimate


def estimate_plan(settings: Settings, inputs: Inputs) -> Estimate:
    """Estimate what some inputs would call; writes nothing, and can do without a results database.

    Of connections it knows those in the environment.

    Raises:
        DesignError: No plan can be made of the inputs.
        InputError: A connection's limits cannot be used.
    """
    essays = essays_of_inputs(settings, inputs) if rejudges(inputs.params) else None
    return _estimate(settings, inputs, known_of_plan(settings, inputs), essays, limits_in_env)


def _estimate(
    settings: Settings,
    inputs: Inputs,
    known: EarlierCalls,
    essays: Essays | None,
    read_limits: LimitsReader,
) -> Estimate:
    params = inputs.params
    essay_tokens = {
        model.id: known.answer_tokens("generation", model.id, params["generation_max_tokens"])
        for model in inputs.generation_models
    }
    calls = count_calls(settings, inputs, essay_tokens, None if essays is None else essays.chosen)
    limits = CalledLimits.read((one.model for one in calls.models if one.new), read_limits)
    models = tuple(_model_estimate(inputs, known, one, limits.of(one.model)) for one in calls.models)
    loads = [_load(one, model, limits.of(one.model)) for one, model in zip(calls.models, models, strict=True)]
    return Estimate(
        calls.combinations,
        calls.generations,
        calls.evaluations,
        models,
        wall_time_s(loads),
        params["dry_run"],
        params.get("approve_above_usd"),
        known.caps,
        (
            *limits.notes(),
            *known.notes,
            *(essays.lines() if essays else ()),
            *_batch_notes(calls.models),
        ),
        limits.sources,
        tuple(dict.fromkeys(one.model.conn_id for one in calls.models if one.new)),
        calls.stale,
        params["on_stale"],
    )


def _batch_notes(models: Sequence[ModelCalls]) -> tuple[str, ...]:
    names = dict.fromkeys(one.model.id for one in models if one.new and one.model.is_batched)
    if not names:
        return ()
    return (f"In batches, at batch prices, which may take 24 hours for each stage: {', '.join(names)}",)


def _model_estimate(
    inputs: Inputs, known: EarlierCalls, calls: ModelCalls, limits: RateLimits
) -> ModelEstimate:
    stage, model, price = calls.stage, calls.model, planned_price(calls.model)
    max_tokens = inputs.params[f"{stage}_max_tokens"]
    each = known.answer_tokens(stage, model.id, max_tokens)
    prompts = sum(count * size.expected for size, count in calls.sizes.items()) // USUAL_BYTES_PER_TOKEN
    answers = each * calls.new
    return ModelEstimate(
        stage,
        model.id,
        calls.planned,
        calls.answered,
        prompts,
        answers,
        each,
        known.answers_seen(stage, model.id),
        price,
        None if price is None else call_nanousd(price, prompts, answers),
        None if price is None else _worst_nanousd(price, calls, max_tokens),
        starting_time_s(Load(stage, model, limits, calls.new, prompts + answers)),
        calls.stale,
    )


def _worst_nanousd(price: ModelPrice, calls: ModelCalls, max_tokens: int) -> int:
    # Call by call, as the ledger reserves: each is rounded up for itself.
    return sum(
        count * worst_case_nanousd(price, size.most, max_tokens) for size, count in calls.sizes.items()
    )


def _load(calls: ModelCalls, model: ModelEstimate, limits: RateLimits) -> Load:
    tokens = model.prompt_tokens + model.completion_tokens
    return Load(calls.stage, calls.model, limits, calls.new, tokens)
