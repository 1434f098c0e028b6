from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import DesignError, InputError
from daydreaming.llm.price import ModelPrice, worst_case_nanousd
from daydreaming.pipeline.budgets import Cap
from daydreaming.pipeline.call import build_request, open_call
from daydreaming.pipeline.connection_limits import ConnectionLimits
from daydreaming.pipeline.earlier_calls import ASSUMED_TOKENS
from daydreaming.pipeline.estimate import Estimate, ModelEstimate, estimate_plan, estimate_run
from daydreaming.pipeline.estimate_text import duration_text, estimate_json
from daydreaming.pipeline.new_calls import MOST_BYTES_PER_TOKEN
from daydreaming.pipeline.plan import read_inputs, set_cap
from daydreaming.pipeline.pricing import model_price, reserved_nanousd
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for, writing_engine
from daydreaming.store.ledger import budget_day, experiment_scope, insert_calls, read_budget, reserve
from daydreaming.store.plans import cells_of_run
from tests.support.attempts import reservation
from tests.support.experiments import NOW, answer_all, answer_call, edit_input, planned_run, tree_of

#: gemma has no price in the table, and the list of genai-prices does not know it.
UNPRICED = {"generation_models": ["local"], "evaluation_models": ["judge"]}
#: Map indices of the plan of `demo`: essay×free, essay×paid, tags×free, tags×paid.
GENERATIONS = range(4)


def estimate_of(settings: Settings, **overrides) -> Estimate:
    return estimate_plan(settings, read_inputs(settings, {"experiment": "demo", **overrides}))


def by_model(estimate: Estimate) -> Mapping[tuple[str, str], ModelEstimate]:
    return {(model.stage, model.model): model for model in estimate.models}


def made(**fields) -> ModelEstimate:
    """What one model takes; 3 new calls."""
    known = {
        "stage": "generation",
        "model": "m",
        "planned": 4,
        "answered": 1,
        "prompt_tokens": 300,
        "completion_tokens": 600,
        "tokens_each": 200,
        "answers_seen": 0,
        "price": ModelPrice(1, 2, "llm_models.csv"),
        "expected_nanousd": 1_000_000_000,
        "worst_nanousd": 2_500_000_000,
        "wall_time_s": 0.0,
    }
    return ModelEstimate(**{**known, **fields})


def test_a_plan_is_estimated_without_writing_anything(settings: Settings):
    before = tree_of(settings.inputs_root.parent)
    estimate = estimate_of(settings)
    assert tree_of(settings.inputs_root.parent) == before
    assert (estimate.combinations, estimate.generations, estimate.evaluations) == (1, 4, 16)
    assert (estimate.answered("generation"), estimate.answered("evaluation")) == (0, 0)
    assert estimate.new_calls == 20


def test_answers_that_are_stored_are_not_called_again(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    answer_call(settings, "run-1", "evaluation", 0)
    answer_call(settings, "run-1", "evaluation", 1)
    estimate = estimate_of(settings)
    assert {key: (m.planned, m.answered, m.new) for key, m in by_model(estimate).items()} == {
        ("generation", "free"): (2, 1, 1),
        ("generation", "paid"): (2, 0, 2),
        ("evaluation", "free"): (8, 1, 7),
        ("evaluation", "judge"): (8, 1, 7),
    }
    assert estimate.new_calls == 17
    assert "  evaluation by judge: 8 planned, 1 reused, 7 new" in estimate.lines()


def test_big_counts_are_readable():
    models = (made(planned=58_140, answered=0), made(stage="evaluation", planned=465_120, answered=12_345))
    assert Estimate(4_845, 58_140, 465_120, models).lines()[:3] == [
        "4,845 combinations",
        "58,140 generations, 0 answered already",
        "465,120 evaluations, 12,345 answered already",
    ]


class TestWorstCase:
    """The worst case against what the ledger reserves."""

    #: The most that an answer can have, in an answer that both essay parsers take.
    TOKENS = 400

    def reserved(self, settings: Settings, stage: str) -> int:
        """What the ledger would reserve for one attempt at each call that has no answer."""
        total = 0
        for cell in cells_of_run(engine_for(settings), "run-1", stage):
            call = open_call(settings, "run-1", stage, cell.map_index)
            if not call.files.is_answered(stage, cell.cell_id):
                total += reserved_nanousd(model_price(call.model), build_request(call)) or 0
        return total

    def worst(self, settings: Settings, stage: str) -> int:
        models = estimate_run(settings, "run-1").models
        return sum(m.worst_nanousd for m in models if m.stage == stage)

    def longest_essay(self, letter: str) -> str:
        frame = "<essay></essay>"
        room = self.TOKENS * MOST_BYTES_PER_TOKEN - len(frame)
        essay = letter * (room // len(letter.encode()))
        return f"<essay>{essay}</essay>"

    @pytest.fixture(autouse=True)
    def _planned(self, settings: Settings):
        planned_run(settings, generation_max_tokens=self.TOKENS, evaluation_max_tokens=60)

    def test_it_is_exactly_what_is_reserved_for_generations_whose_prompts_are_known(self, settings):
        assert self.worst(settings, "generation") == self.reserved(settings, "generation") > 0

    @pytest.mark.parametrize("letter", ["x", "記", "𒀀", "ß"])
    def test_reservations_never_pass_what_was_printed_before_the_essays_were_known(self, settings, letter):
        printed = self.worst(settings, "evaluation")
        for index in GENERATIONS:
            answer_call(settings, "run-1", "generation", index, self.longest_essay(letter))
        assert 0 < self.reserved(settings, "evaluation") <= printed

    def test_the_bound_is_that_of_the_longest_essay_and_not_far_above_it(self, settings):
        printed = self.worst(settings, "evaluation")
        for index in GENERATIONS:
            answer_call(settings, "run-1", "generation", index, self.longest_essay("x"))
        assert printed < 1.01 * self.reserved(settings, "evaluation")

    def test_an_essay_that_is_known_counts_with_its_own_length(self, settings):
        before = self.worst(settings, "evaluation")
        for index in GENERATIONS:
            answer_call(settings, "run-1", "generation", index, "<essay>Short.</essay>")
        now = self.worst(settings, "evaluation")
        assert self.reserved(settings, "evaluation") <= now < before / 2

    def test_what_is_answered_counts_with_nothing(self, settings):
        whole = self.worst(settings, "generation")
        answer_call(settings, "run-1", "generation", 1)  # essay × paid
        assert 0 < self.worst(settings, "generation") == self.reserved(settings, "generation") < whole

    def test_the_calls_cost_less(self, settings):
        estimate = estimate_run(settings, "run-1")
        answer_all(settings, "run-1")
        spent = sum(
            json.loads(path.read_text())["cost_usd"]
            for path in settings.data_root.glob("0[34]_*/*_responses/*.json")
        )
        assert 0 < spent < estimate.worst_case_usd

    def test_what_is_printed_is_not_below_it(self):
        estimate = Estimate(1, 4, 0, (made(worst_nanousd=1_000_000_001),))
        assert estimate.worst_case_text() == "1.0001 US dollars"


class TestExpected:
    """Tokens and price that are expected."""

    def test_a_token_is_four_bytes_of_a_prompt(self, settings):
        planned_run(settings)
        prompts = [build_request(open_call(settings, "run-1", "generation", i)).prompt for i in (1, 3)]
        paid = by_model(estimate_of(settings))["generation", "paid"]
        assert paid.prompt_tokens == sum(len(prompt.encode()) for prompt in prompts) // 4

    def test_the_length_of_answers_is_assumed_where_the_model_has_not_answered(self, settings):
        estimate = estimate_of(settings)
        paid = by_model(estimate)["generation", "paid"]
        assert (paid.tokens_each, paid.answers_seen) == (ASSUMED_TOKENS["generation"], 0)
        assert paid.completion_tokens == 2 * ASSUMED_TOKENS["generation"]
        assert "generation by paid 1,500 (assumed)" in "\n".join(estimate.lines())

    def test_it_is_the_mean_of_what_the_model_answered_so_far_in_that_stage(self, settings):
        planned_run(settings)
        answer_call(settings, "run-1", "generation", 1)
        answer_call(settings, "run-1", "generation", 3)
        estimate = estimate_of(settings, generation_replicates=2)
        paid = by_model(estimate)["generation", "paid"]
        assert (paid.tokens_each, paid.answers_seen, paid.new) == (200, 2, 2)
        assert by_model(estimate)["evaluation", "judge"].answers_seen == 0
        assert "generation by paid 200 (the mean of 2)" in "\n".join(estimate.lines())

    def test_no_answer_is_expected_to_be_longer_than_max_tokens(self, settings):
        paid = by_model(estimate_of(settings, generation_max_tokens=77))["generation", "paid"]
        assert paid.tokens_each == 77

    def test_an_evaluation_holds_the_essay_that_is_expected(self, settings):
        long, short = (
            by_model(estimate_of(settings, generation_max_tokens=tokens))["evaluation", "judge"]
            for tokens in (1_000, 500)
        )
        assert long.prompt_tokens - short.prompt_tokens == 8 * 500

    def test_the_price_is_that_of_the_tokens_and_says_its_source(self, settings):
        estimate = estimate_of(settings)
        paid = by_model(estimate)["generation", "paid"]
        usd = (paid.prompt_tokens * 0.15 + paid.completion_tokens * 0.6) / 1e6
        assert paid.expected_nanousd == pytest.approx(usd * 1e9, abs=1)
        assert paid.price.source == "llm_models.csv"
        assert estimate.expected_usd == pytest.approx(
            sum(model.expected_nanousd for model in estimate.models) / 1e9
        )
        assert 0 < estimate.expected_usd < estimate.worst_case_usd

    def test_a_price_of_the_list_is_said_to_be_of_it(self, settings):
        edit_input(settings.inputs_root, "01_raw/llm_models.csv", "prov/paid", "openai/gpt-4.1-mini")
        edit_input(settings.inputs_root, "01_raw/llm_models.csv", ",0.15,0.6,", ",0.15,,")
        estimate = estimate_of(settings)
        paid = by_model(estimate)["generation", "paid"]
        assert (paid.price.usd_per_1m_input, paid.price.usd_per_1m_output) == (0.4, 1.6)
        assert paid.price.source.startswith("genai-prices ")
        assert paid.price.source in "\n".join(estimate.lines())
        assert paid.price.source in estimate.markdown()


@pytest.mark.parametrize("what", ["rpm", "rpd"])
def test_the_wall_time_is_that_of_the_limits(settings: Settings, what: str):
    old, new = {"rpm": (",20,,50,", ",1,,,"), "rpd": (",20,,50,", ",,,6,")}[what]
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", old, new)
    estimate = estimate_of(settings)
    # free: 2 generations and 8 evaluations, which share its limits.
    assert estimate.wall_time_s == {"rpm": 9 * 61, "rpd": 86_401}[what]
    said = {"rpm": "Wall time: at least 9 min 9 s at", "rpd": "Wall time: at least 1 day at"}[what]
    assert any(
        line.startswith(said) and "without the models' own latency" in line for line in estimate.lines()
    )


class TestLimitsOfConnections:
    """Limits that `llm_models.csv` leaves open, and a connection's extra sets."""

    def connect(self, monkeypatch, conn_id: str = "openrouter_default", **rate_limits) -> None:
        connection = {"conn_type": "openai", "extra": {"rate_limits": rate_limits}}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))

    def wall_time(self, estimate: Estimate) -> str:
        [line] = [line for line in estimate.lines() if line.startswith("Wall time: ")]
        return line

    def test_a_plan_counts_those_of_the_environment_and_says_where_they_are(self, settings, monkeypatch):
        self.connect(monkeypatch, models={"prov/judge": {"rpm": 2}})
        estimate = estimate_of(settings)
        # 8 evaluations, of which two start at once and two more each minute.
        assert by_model(estimate)["evaluation", "judge"].wall_time_s == estimate.wall_time_s == 3 * 61
        assert "at the limits in llm_models.csv and in connection openrouter_default" in self.wall_time(
            estimate
        )
        assert estimate.notes == ()

    def test_they_alone_are_named_where_the_rows_set_none(self, settings, monkeypatch):
        self.connect(monkeypatch, rpm=8, burst=1)
        estimate = estimate_of(settings, generation_models=["paid"], evaluation_models=["judge"])
        # 2 generations, then 4 evaluations: an eighth of a minute between two.
        assert estimate.wall_time_s == pytest.approx((1 + 3) * 61 / 8)
        assert "at the limits in connection openrouter_default (" in self.wall_time(estimate)

    def test_a_plan_says_whose_limits_it_cannot_know(self, settings):
        [note] = estimate_of(settings).notes
        assert "variable for it: connection openrouter_default. Airflow must have it" in note

    def test_a_run_counts_those_that_airflow_gives(self, settings):
        planned_run(settings)
        limits = ConnectionLimits("openrouter_default", {"rpd": 3})
        estimate = estimate_run(settings, "run-1", lambda conn_id: limits)
        assert estimate.wall_time_s == 2 * 86_401
        assert estimate.notes == ()

    def test_what_is_answered_needs_no_connection(self, settings, monkeypatch):
        self.connect(monkeypatch, rps=1)
        planned_run(settings)
        with pytest.raises(InputError, match=r"'openrouter_default': rate_limits .* got rps"):
            estimate_run(settings, "run-1")
        answer_all(settings, "run-1")
        assert estimate_run(settings, "run-1").new_calls == 0


def test_without_limits_it_is_said_that_the_models_decide(settings: Settings):
    assert any(
        "the models' own latency decides" in line
        for line in estimate_of(settings, generation_models=["paid"], evaluation_models=["judge"]).lines()
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "1 s"),
        (61, "1 min 1 s"),
        (3_600, "1 h"),
        (3_661, "1 h 1 min"),
        (86_401, "1 day"),
        (200_000, "2 days 7 h"),
    ],
)
def test_a_duration_is_told_in_its_two_largest_units(seconds, text):
    assert duration_text(seconds) == text


class TestStaleAnswers:
    """What `on_stale: archive` would ask for again is new."""

    @pytest.fixture(autouse=True)
    def _answered(self, settings: Settings):
        planned_run(settings)
        answer_all(settings, "run-1")

    @pytest.mark.parametrize(
        ("on_stale", "overrides", "new"),
        [
            ("archive", {}, 0),
            ("archive", {"evaluation_temperature": 0.9}, 16),
            # new essays, so new verdicts
            ("archive", {"generation_temperature": 0.9}, 20),
            ("reuse", {"generation_temperature": 0.9}, 0),
            ("fail", {"generation_temperature": 0.9}, 0),
        ],
    )
    def test_they_are_counted_where_they_are_replaced(self, settings, on_stale, overrides, new):
        estimate = estimate_of(settings, on_stale=on_stale, **overrides)
        assert estimate.new_calls == new
        assert (estimate.worst_case_usd > 0) is (new > 0)

    @pytest.mark.parametrize(
        ("on_stale", "kept", "what"),
        [
            ("fail", "0 reused, 8 stale, 0 new", "these calls fail"),
            ("reuse", "8 reused, 0 new", "taken as they are"),
            ("archive", "0 reused, 8 new", "kept aside"),
        ],
    )
    def test_they_are_told_with_what_becomes_of_them(self, settings, on_stale, kept, what):
        estimate = estimate_of(settings, on_stale=on_stale, evaluation_temperature=0.9)
        text = "\n".join(estimate.lines())
        assert f"evaluation by judge: 8 planned, {kept}" in text
        assert "16 stored answers are stale: a prompt, model or parameter has changed since." in text
        assert f"on_stale is {on_stale}: " in text
        assert what in text
        assert "all are answered" not in text
        assert (estimate_json(estimate)["stale"], estimate_json(estimate)["on_stale"]) == (16, on_stale)

    def test_without_any_nothing_is_said_of_them(self, settings):
        assert "stale" not in "\n".join(estimate_of(settings).lines())

    def test_an_answer_that_the_archive_holds_is_not_bought_again(self, settings):
        call = open_call(settings, "run-1", "evaluation", 0)
        planned_run(settings, "run-2", now=NOW + timedelta(hours=1), evaluation_temperature=0.9)
        wanted = build_request(open_call(settings, "run-2", "evaluation", 0)).request_hash
        kept = call.files.archived("evaluation", call.cell.cell_id, wanted)
        kept.parent.mkdir(parents=True)
        kept.write_text("SCORE: 3")
        assert estimate_of(settings, on_stale="archive", evaluation_temperature=0.9).new_calls == 15


class TestCaps:
    """What is said of caps."""

    def test_a_worst_case_above_the_cap_goes_on_for_the_ledger_stops_it_in_time(self, settings):
        planned_run(settings, max_cost_usd=0.001)
        assert estimate_run(settings, "run-1").worst_case_usd > 0.001
        cap, _, _ = read_budget(engine_for(settings), experiment_scope("demo"))
        assert cap == 1_000_000

    @pytest.mark.parametrize(
        ("cap_usd", "used_usd", "said"),
        [
            (1.0, 0, "the expected price passes"),
            (1.99, 0, "the expected price passes"),
            (3.0, 1.5, "the expected price passes"),
            (2.0, 0, "the worst case passes what is left, the expected price does not"),
            (4.999, 0, "the worst case passes what is left, the expected price does not"),
            (5.0, 0, "even the worst case fits"),
            (9.0, 4.0, "even the worst case fits"),
            (1.0, 2.0, "the expected price passes"),
        ],
    )
    def test_it_is_said_what_passes_a_cap(self, cap_usd, used_usd, said):
        # 2 dollars expected, 5 at worst
        cap = Cap("max_cost_usd", round(cap_usd * 1e9), round(used_usd * 1e9))
        estimate = Estimate(1, 4, 4, (made(), made(stage="evaluation")), caps=(cap,))
        [line] = [line for line in estimate.lines() if line.startswith("max_cost_usd is")]
        assert said in line
        assert line in estimate.markdown()

    def test_a_run_has_the_cap_of_its_experiment_and_the_days(self, settings):
        planned_run(settings, max_cost_usd=1)
        set_cap(settings, "demo", 3)
        now = datetime.now(UTC)
        with writing_engine(settings).begin() as connection:
            order = reservation("c", 500_000_000, experiment_id="demo", budget_day=budget_day(now))
            reserve(connection, [order])
            insert_calls(connection, [(order, 0.0)])
        daily = replace(settings, daily_budget_usd=2)
        assert estimate_run(daily, "run-1").caps == (
            Cap("max_cost_usd", 3_000_000_000, 500_000_000),
            Cap("DAYDREAMING_DAILY_BUDGET_USD", 2_000_000_000, 500_000_000),
        )

    @pytest.mark.parametrize(("given", "cap"), [({}, 3_000_000_000), ({"max_cost_usd": 2}, 2_000_000_000)])
    def test_a_plan_has_the_cap_that_it_brings_else_that_of_its_experiment(self, settings, given, cap):
        planned_run(settings)
        set_cap(settings, "demo", 3)
        assert estimate_of(settings, **given).caps == (Cap("max_cost_usd", cap, 0),)

    def test_a_plan_without_a_database_has_the_cap_that_it_brings(self, settings):
        assert estimate_of(settings, max_cost_usd=2).caps == (Cap("max_cost_usd", 2_000_000_000, 0),)
        assert estimate_of(settings).caps == ()

    def test_a_limit_of_nothing_lets_free_models_run(self, settings):
        planned_run(settings, max_cost_usd=0, generation_models=["free"], evaluation_models=["free"])
        estimate = estimate_run(settings, "run-1")
        assert estimate.worst_case_usd == 0
        assert any("even the worst case fits" in line for line in estimate.lines())


class TestUnknownPrices:
    """Models without a price."""

    def test_with_a_cap_the_run_is_refused(self, settings):
        planned_run(settings, max_cost_usd=100, **UNPRICED)
        with pytest.raises(
            DesignError, match=r"max_cost_usd is 100, .*local has no price in llm_models\.csv"
        ):
            estimate_run(settings, "run-1")

    def test_so_it_is_with_a_daily_budget(self, settings):
        planned_run(settings, **UNPRICED)
        with pytest.raises(DesignError, match=r"DAYDREAMING_DAILY_BUDGET_USD is 5, .*Nothing was sent\."):
            estimate_run(replace(settings, daily_budget_usd=5), "run-1")

    def test_a_plan_says_that_it_would_be(self, settings):
        lines = estimate_of(settings, max_cost_usd=100, **UNPRICED).lines()
        assert any("max_cost_usd is 100, but" in line and "local has no price" in line for line in lines)

    def test_without_a_cap_it_is_said(self, settings):
        planned_run(settings, **UNPRICED)
        estimate = estimate_run(settings, "run-1")
        assert (estimate.expected_usd, estimate.worst_case_usd) == (None, None)
        assert estimate.worst_case_text() == "an unknown sum"
        assert any(
            line.endswith("unknown at worst (no price is known of local)") for line in estimate.lines()
        )

    def test_a_model_with_nothing_to_call_does_not_matter(self, settings):
        planned_run(settings, max_cost_usd=100, **UNPRICED)
        for index in range(2):
            answer_call(settings, "run-1", "generation", index)
        assert estimate_run(settings, "run-1").worst_case_usd is not None


def test_a_run_that_is_answered_costs_nothing(settings: Settings):
    planned_run(settings, max_cost_usd=0.0001, approve_above_usd=0)
    answer_all(settings, "run-1")
    estimate = estimate_run(settings, "run-1")
    assert (estimate.worst_case_usd, estimate.new_calls, estimate.wall_time_s) == (0, 0, 0)
    assert not estimate.needs_approval
    assert estimate.lines()[-1] == "Price of the new calls: nothing, for all are answered"


@pytest.mark.parametrize(
    ("above_usd", "worst_nanousd", "needed"),
    [
        (None, 2_500_000_000, False),
        (None, None, False),
        (0, 2_500_000_000, True),
        (2.4999, 2_500_000_000, True),
        (2.5, 2_500_000_000, False),
        (100, None, True),
        (0, 0, False),
    ],
)
def test_a_person_is_asked_where_the_worst_case_is_above_the_limit_or_unknown(
    above_usd, worst_nanousd, needed
):
    model = made(worst_nanousd=worst_nanousd)
    if worst_nanousd is None:
        model = made(price=None, expected_nanousd=None, worst_nanousd=None)
    estimate = Estimate(1, 4, 0, (model,), approve_above_usd=above_usd)
    assert estimate.needs_approval is needed
    assert any("a person has to approve" in line for line in estimate.lines()) is needed


@pytest.mark.parametrize("above_usd", [None, 0.5])
def test_the_limit_of_approval_is_the_runs(settings: Settings, above_usd):
    planned_run(settings, approve_above_usd=above_usd)
    assert estimate_run(settings, "run-1").approve_above_usd == above_usd


def test_a_person_who_approves_sees_a_table_of_what_is_new(settings: Settings):
    planned_run(settings)
    for index in (0, 2):
        answer_call(settings, "run-1", "generation", index)
    lines = estimate_run(settings, "run-1").markdown().splitlines()
    assert lines[0] == "**18 new calls**; 2 answers are reused."
    table = [line for line in lines if line.startswith("|")]
    assert {line.count("|") for line in table} == {9}
    assert [line.split(" | ")[:3] for line in table[2:]] == [
        ["| generation", "paid", "2"],
        ["| evaluation", "free", "8"],
        ["| evaluation", "judge", "8"],
    ]
    assert any(line.startswith("- Price of the new calls: ") for line in lines)


def test_json_has_the_counts_the_money_and_every_model(settings: Settings):
    estimate = estimate_of(settings)
    values = json.loads(json.dumps(estimate_json(estimate)))
    assert list(values) == [
        "combinations", "generations", "evaluations", "generations_answered", "evaluations_answered",
        "new_calls", "stale", "on_stale", "expected_usd", "worst_case_usd", "wall_time_s", "models",
    ]  # fmt: skip
    assert (
        values["worst_case_usd"]
        == estimate.worst_case_usd
        == pytest.approx(sum(model["worst_case_usd"] for model in values["models"]))
    )
    assert values["models"][1] | {"expected_usd": 0, "worst_case_usd": 0, "prompt_tokens": 0} == {
        "stage": "generation",
        "model": "paid",
        "planned": 2,
        "reused": 0,
        "stale": 0,
        "new": 2,
        "prompt_tokens": 0,
        "completion_tokens": 3000,
        "answers_seen": 0,
        "expected_usd": 0,
        "worst_case_usd": 0,
        "usd_per_1m_input": 0.15,
        "usd_per_1m_output": 0.6,
        "price_source": "llm_models.csv",
        "wall_time_s": 0.0,
    }


def test_json_of_a_model_without_a_price_has_null(settings: Settings):
    values = estimate_json(estimate_of(settings, **UNPRICED))
    assert (values["expected_usd"], values["worst_case_usd"]) == (None, None)
    assert values["models"][0]["price_source"] is None
    assert values["models"][1]["worst_case_usd"] > 0


def test_a_plan_can_do_with_a_database_that_cannot_be_read_and_says_so(settings: Settings):
    settings.data_root.mkdir()
    (settings.data_root / SQLITE_NAME).touch()
    estimate = estimate_of(settings)
    assert estimate.new_calls == 20
    assert "The results database cannot be read (no such table" in estimate.lines()[-1]


@pytest.mark.parametrize("is_dry", [True, False])
def test_a_dry_run_says_so(settings: Settings, is_dry: bool):
    planned_run(settings, dry_run=is_dry)
    assert estimate_run(settings, "run-1").dry_run is is_dry


def test_every_problem_of_the_parameters_is_reported(settings: Settings):
    with pytest.raises(InputError) as caught:
        read_inputs(replace(settings), {"experiment": "demo", "k_max": "x", "foo": 1, "dry_run": "maybe"})
    assert len(caught.value.problems) == 3


def test_the_worst_case_of_one_call_is_the_ledgers():
    price = ModelPrice(1.0, 2.0, "a test")
    assert worst_case_nanousd(price, 1_000, 500) == (1_064 * 1 + 500 * 2) * 1_000
