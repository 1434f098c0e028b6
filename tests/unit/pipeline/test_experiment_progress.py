from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.experiment_progress import ExperimentProgress, experiment_progress
from daydreaming.pipeline.overview import overviews
from daydreaming.pipeline.plan import set_cap
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.ledger import Settlement, insert_calls, reserve, settle
from daydreaming.store.plans import cells_of_run
from tests.support.attempts import call_order, reservation
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly
from tests.support.finished_root import buy_all


def counts(found: ExperimentProgress) -> list[tuple[str, str, int, int]]:
    return [(m.stage, m.model, m.planned, m.answered) for m in found.models]


def test_nobody_has_started_it(settings: Settings) -> None:
    with pytest.raises(InputError, match="Unknown experiment ID 'demo'"):
        experiment_progress(settings, "demo", NOW)
    assert not settings.data_root.exists()
    planned_run(settings)
    with pytest.raises(InputError, match="Unknown experiment ID 'other'"):
        experiment_progress(settings, "other", NOW)


def test_calls_are_counted_by_stage_and_model(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    found = experiment_progress(settings, "demo", NOW)
    assert [(stage, model) for stage, model, *_ in counts(found)] == [
        ("generation", "free"),
        ("generation", "paid"),
        ("evaluation", "free"),
        ("evaluation", "judge"),
    ]
    assert [planned for *_, planned, _ in counts(found)] == [2, 2, 8, 8]
    assert sum(m.answered for m in found.models) == 19
    assert sum(m.waiting for m in found.models) == 1
    assert (found.is_live, found.is_complete) == (False, False)
    answer_distinctly(settings, "run-1")
    assert experiment_progress(settings, "demo", NOW).is_complete


def test_a_later_run_adds_to_the_plan(settings: Settings) -> None:
    planned_run(settings)
    assert experiment_progress(settings, "demo", NOW).planned("evaluation") == 16
    planned_run(settings, "run-2", evaluation_replicates=2)
    assert experiment_progress(settings, "demo", NOW).planned("evaluation") == 32


def test_a_call_that_was_sent_makes_it_live(settings: Settings) -> None:
    planned_run(settings)
    cell = cells_of_run(engine_for(settings), "run-1", "generation")[0]
    order = call_order("sent", experiment_id="demo", cell_id=cell.cell_id)
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [order])
    found = experiment_progress(settings, "demo", datetime.now(UTC) + timedelta(seconds=5))
    assert found.is_live
    assert sum(m.running for m in found.models) == 1


def test_money_is_that_of_the_list_of_experiments(settings: Settings) -> None:
    planned_run(settings)
    found = experiment_progress(settings, "demo", NOW)
    assert (found.spent_usd, found.expected_usd, found.cap_usd) == (0.0, None, None)
    buy_all(settings, "run-1")
    set_cap(settings, "demo", 2.5)
    found, [listed] = experiment_progress(settings, "demo", NOW), overviews(settings, NOW)
    assert found.spent_usd == pytest.approx(listed.spent_usd)
    assert found.expected_usd == pytest.approx(listed.expected_usd)
    assert found.cap_usd == 2.5
    by_stage = [usd or 0.0 for usd in found.spent_by_stage.values()]
    assert sum(by_stage) == pytest.approx(found.spent_usd)


def test_an_unknown_price_is_not_left_out_of_a_sum(settings: Settings) -> None:
    planned_run(settings)
    order = reservation("a", None, experiment_id="demo", model_id="paid")
    with writing_engine(settings).begin() as connection:
        reserve(connection, [order])
        insert_calls(connection, [(order, 0.0)])
        settle(connection, [Settlement("a", "answered", NOW)])
    found = experiment_progress(settings, "demo", NOW)
    assert (found.spent_usd, found.expected_usd) == (None, None)
    assert found.spent_by_stage == {"generation": None, "evaluation": 0.0}
    assert {m.model: m.spent_usd for m in found.models if m.stage == "generation"} == {
        "free": 0.0,
        "paid": None,
    }


def test_new_statistics_have_another_name(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    assert experiment_progress(settings, "demo", NOW).statistics is None
    write_all_tables(settings, "demo")
    first = experiment_progress(settings, "demo", NOW).statistics
    assert first
    write_all_tables(settings, "demo")
    assert experiment_progress(settings, "demo", NOW).statistics == first
    answer_distinctly(settings, "run-1")
    write_all_tables(settings, "demo")
    assert experiment_progress(settings, "demo", NOW).statistics not in (None, first)
