"""A whole experiment in a real Airflow, against a provider with every kind of fault.

The simulator's faults and answers are known beforehand, so which instance fails, what is called
again after "clear only failed", and every cell of the final tables can be said in advance.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from daydreaming.design.combinations import combine
from daydreaming.llm.simulator import Fault
from daydreaming.pipeline.plan import set_cap
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run, runs_of_plan
from daydreaming.store.results import read_failures
from tests.integration.airflow_deployment import RunningAirflow
from tests.integration.faulty_experiment import (
    CALL_ATTEMPTS,
    CONCEPTS,
    CONFIG,
    JUDGES,
    K_MAX,
    MODELS,
    SECRET,
    TASK_RETRIES,
    ExpectedEvaluation,
    ExpectedGeneration,
    expected_evaluations,
    expected_generations,
)

pytestmark = pytest.mark.integration

CROSS = "daydream_cross_experiment"


@pytest.fixture(scope="module")
def generations() -> list[ExpectedGeneration]:
    combos = {c.combo_id: c.concept_ids for c in combine(CONCEPTS, K_MAX, "sentence")}
    return expected_generations(CONFIG, combos, CALL_ATTEMPTS * (TASK_RETRIES + 1))


@pytest.fixture(scope="module")
def evaluations(generations: list[ExpectedGeneration]) -> list[ExpectedEvaluation]:
    return list(expected_evaluations(CONFIG, generations, CALL_ATTEMPTS * (TASK_RETRIES + 1)))


@pytest.fixture(scope="module")
def first_pass(airflow: RunningAirflow) -> str:
    """The run, after its first pass: some instances failed."""
    run_id = airflow.trigger({"experiment": "faulty"})
    assert airflow.wait(run_id) == "failed"
    return run_id


@pytest.fixture(scope="module")
def second_pass(airflow: RunningAirflow, first_pass: str) -> str:
    """The same run, after the faults have gone and only the failed instances were cleared."""
    first_calls.update(airflow.simulator.stats())
    airflow.simulator.reset()
    airflow.simulator.control(**dict.fromkeys(_rates(), 0))
    airflow.clear_failed(first_pass)
    assert airflow.wait(first_pass) == "success"
    return first_pass


first_calls: dict[str, object] = {}


def _rates() -> list[str]:
    return [name for name, value in asdict(CONFIG).items() if name.startswith("rate_") and value]


def test_the_faults_reach_every_case(
    generations: list[ExpectedGeneration], evaluations: list[ExpectedEvaluation]
) -> None:
    """Guards the choice of seed: each case below must occur."""
    assert any(not g.call.answered for g in generations)
    assert any(g.essay is None for g in generations)
    assert any(e.call and not e.call.answered for e in evaluations)
    assert any(e.call and e.call.answered and e.call.unreadable for e in evaluations)


def test_exactly_the_calls_that_the_faults_stop_fail(
    airflow: RunningAirflow,
    first_pass: str,
    generations: list[ExpectedGeneration],
    evaluations: list[ExpectedEvaluation],
) -> None:
    states = {i.rendered_map_index: i.state for i in airflow.instances(first_pass) if i.map_index >= 0}
    expected = {g.call.cell_id: "success" if g.call.answered else "failed" for g in generations}
    expected |= {e.cell_id: _expected_state(e) for e in evaluations}
    assert states == expected


def _expected_state(evaluation: ExpectedEvaluation) -> str:
    if not evaluation.generation.call.answered:
        return "failed"
    if evaluation.generation.essay is None:
        return "skipped"
    assert evaluation.call is not None
    return "success" if evaluation.call.answered else "failed"


def test_each_instance_waits_in_the_pool_of_its_model_under_its_own_id(
    airflow: RunningAirflow,
    first_pass: str,
    generations: list[ExpectedGeneration],
    evaluations: list[ExpectedEvaluation],
) -> None:
    pools = {g.call.cell_id: g.call.pool for g in generations} | {e.cell_id: e.pool for e in evaluations}
    found = {i.rendered_map_index: i.pool for i in airflow.instances(first_pass) if i.map_index >= 0}
    assert found == pools


def test_a_pool_of_one_slot_holds_its_own_model_and_no_other(
    airflow: RunningAirflow, first_pass: str
) -> None:
    models = airflow.simulator.stats()["models"]
    slow, fast = (models[MODELS[name][0]] for name in ("slow", "fast"))
    assert slow["peak_concurrency"] == 1
    assert fast["peak_concurrency"] > 1
    generated = airflow.instances(first_pass, task_id="generate")
    ends = {
        pool: sorted(i.end_date for i in generated if i.pool == pool) for pool in ("llm_free", "llm_local")
    }
    # All of the wide pool are through before the narrow one is half done.
    assert ends["llm_local"][-1] < ends["llm_free"][len(ends["llm_free"]) // 2]


def test_the_error_table_has_a_row_for_each_failed_call(airflow: RunningAirflow, first_pass: str) -> None:
    errors = pd.read_csv(airflow.settings.data_root / "07_reporting" / "faulty" / "errors.csv")
    statuses = sum(errors["message"].str.contains("HTTP 500"))
    counted = sum(m["faults"].get("500", 0) for m in airflow.simulator.stats()["models"].values())
    assert statuses == counted


def test_no_prompt_was_answered_twice(airflow: RunningAirflow, second_pass: str) -> None:
    assert first_calls["duplicates"] == 0
    assert airflow.simulator.stats()["duplicates"] == 0


def test_clearing_calls_only_what_was_missing(
    airflow: RunningAirflow,
    second_pass: str,
    generations: list[ExpectedGeneration],
    evaluations: list[ExpectedEvaluation],
) -> None:
    missing = sum(not g.call.answered for g in generations)
    missing += sum(e.generation.essay is not None and not (e.call and e.call.answered) for e in evaluations)
    stats = airflow.simulator.stats()
    assert (stats["calls"], stats["answered"]) == (missing, missing)


def test_pools_and_labels_survive_the_clear(
    airflow: RunningAirflow,
    second_pass: str,
    generations: list[ExpectedGeneration],
    evaluations: list[ExpectedEvaluation],
) -> None:
    test_each_instance_waits_in_the_pool_of_its_model_under_its_own_id(
        airflow, second_pass, generations, evaluations
    )


def test_the_final_scores_are_those_that_the_simulator_gives(
    airflow: RunningAirflow, second_pass: str, evaluations: list[ExpectedEvaluation]
) -> None:
    scores = _table(airflow, "05_parsing/faulty/parsed_scores.csv").set_index("evaluation_task_id")
    assert sorted(scores.index) == sorted(e.cell_id for e in evaluations)
    found = {cell_id: None if pd.isna(score) else score for cell_id, score in scores["score"].items()}
    assert found == {e.cell_id: e.final_score for e in evaluations}
    unscored = scores["error"].fillna("") != ""
    assert set(scores.index[unscored]) == {e.cell_id for e in evaluations if e.final_score is None}
    no_essay = {e.cell_id for e in evaluations if e.generation.essay is None}
    assert all(scores.loc[list(no_essay), "error"].str.contains("no essay"))


def test_the_summary_agrees_with_the_scores(
    airflow: RunningAirflow, second_pass: str, evaluations: list[ExpectedEvaluation]
) -> None:
    final = _table(airflow, "06_summary/faulty/final_results.csv")
    by_judge = final[final["analysis"] == "by_evaluation_model"].set_index("evaluation_model")
    for judge in JUDGES:
        scores = pd.Series(
            [e.final_score for e in evaluations if e.cell_id.endswith(f"_judge_{judge}")], dtype=float
        )
        row = by_judge.loc[judge]
        assert (row["planned"], row["count"]) == (len(scores), scores.notna().sum())
        assert row["mean"] == pytest.approx(scores.mean(), abs=1e-6)
        assert row["sd"] == pytest.approx(scores.std(), abs=1e-6)


def test_files_rows_and_tables_hold_the_same_answers(
    airflow: RunningAirflow,
    second_pass: str,
    generations: list[ExpectedGeneration],
    evaluations: list[ExpectedEvaluation],
) -> None:
    answered = {
        "generation": {g.call.cell_id for g in generations},
        "evaluation": {e.cell_id for e in evaluations if e.generation.essay is not None},
    }
    for stage, folder in (("generation", "03_generation"), ("evaluation", "04_evaluation")):
        root = airflow.settings.data_root / folder / f"{stage}_responses"
        assert {p.stem for p in root.glob("*.txt")} == answered[stage]
        assert {p.stem for p in root.glob("*.json")} == answered[stage]
        with closing(sqlite3.connect(airflow.settings.data_root / "results.sqlite3")) as database:
            rows = database.execute(f"SELECT {stage}_task_id FROM {stage}s").fetchall()
        assert {row[0] for row in rows} == answered[stage]
        table = _table(airflow, f"07_cross_experiment/{stage}_results.csv")
        assert sorted(table[f"{stage}_task_id"]) == sorted(answered[stage])
    essays = {
        p.stem for p in (airflow.settings.data_root / "03_generation/parsed_generation_responses").iterdir()
    }
    assert essays == {g.call.cell_id for g in generations if g.essay is not None}


def test_tables_over_all_experiments_follow_by_themselves_after_the_run_and_after_the_clear(
    airflow: RunningAirflow, second_pass: str
) -> None:
    # The tables' task of the first pass, which failed, and the leaf of the second each start a run.
    runs = airflow.wait_for_runs(CROSS, "faulty", 2)
    assert [_states(airflow, run) for run in runs] == [{"success"}, {"success"}]
    found, results = (
        _table(airflow, f"07_cross_experiment/{name}_results.csv")
        for name in ("filtered_evaluation", "evaluation")
    )
    pd.testing.assert_frame_equal(found, results)


def test_another_experiment_with_the_same_cells_calls_nothing(
    airflow: RunningAirflow, second_pass: str
) -> None:
    before = airflow.simulator.stats()["calls"]
    run_id = airflow.trigger({"experiment": "faulty", "experiment_id": "again"})
    assert airflow.wait(run_id) == "success"
    assert airflow.simulator.stats()["calls"] == before
    again, first = (_table(airflow, f"05_parsing/{name}/parsed_scores.csv") for name in ("again", "faulty"))
    pd.testing.assert_frame_equal(again, first)
    # One more experiment that the answers serve is news, what its leaf says after that is none.
    runs = airflow.wait_for_runs(CROSS, "again", 2)
    assert [_states(airflow, run) for run in runs] == [{"success"}, {"skipped"}]
    # The runs that follow are about other things, and need the machine for themselves.
    airflow.client.request("PATCH", f"/api/v2/dags/{CROSS}", json={"is_paused": True})


def test_two_runs_at_once_pay_for_each_cell_once(airflow: RunningAirflow, second_pass: str) -> None:
    airflow.simulator.reset()
    conf = {"experiment": "faulty", "k_max": 3, "concepts": ["ants", "bees", "cats"]}
    runs = [airflow.trigger({**conf, "experiment_id": name}) for name in ("twin-1", "twin-2")]
    assert [airflow.wait(run) for run in runs] == ["success", "success"]
    stats = airflow.simulator.stats()
    assert stats["duplicates"] == 0
    assert stats["calls"] == 4 + 4
    one, other = (_table(airflow, f"05_parsing/{name}/parsed_scores.csv") for name in ("twin-1", "twin-2"))
    pd.testing.assert_frame_equal(one, other)


def test_another_rubric_over_old_essays_calls_the_new_verdicts_alone(
    airflow: RunningAirflow, second_pass: str, evaluations: list[ExpectedEvaluation]
) -> None:
    raw = airflow.settings.inputs_root / "01_raw"
    with (raw / "evaluation_templates.csv").open("a") as table:
        table.write("fresh,Fresh,For tests,false,strict,0,10\n")
    (raw / "evaluation_templates/fresh.txt").write_text("Is it new?\n{{ response }}\nSCORE: x (0-10)\n")
    # Generations would all be stale now: they are not looked at.
    edited = raw / "generation_templates/plain.txt"
    text = edited.read_text()
    edited.write_text(f"Anew: {text}")
    before, stored = airflow.simulator.stats()["calls"], _answers(airflow)
    conf = {"experiment_id": "faulty", "rejudge": True, "evaluation_templates": ["fresh"]}
    run_id = airflow.trigger(conf)
    assert airflow.wait(run_id) == "success"
    edited.write_text(text)

    essays = {e.generation.call.cell_id for e in evaluations if e.generation.essay is not None}
    assert airflow.simulator.stats()["calls"] == before + len(essays)
    new = {path: data for path, data in _answers(airflow).items() if path not in stored}
    assert {path.stem for path in new} == {f"{essay}_fresh_fast" for essay in essays}
    assert stored.items() <= _answers(airflow).items()
    assert {i.state for i in airflow.instances(run_id, task_id="generate")} == {"skipped"}
    scores = _table(airflow, "05_parsing/faulty/parsed_scores.csv")
    counted = scores.groupby("evaluation_template")["score"].count().to_dict()
    assert counted == {"fresh": len(essays), "judge": sum(e.final_score is not None for e in evaluations)}
    assert f"{len(essays)} stored essays are judged" in _log(airflow, run_id, "estimate_cost")


def _answers(airflow: RunningAirflow) -> dict[Path, bytes]:
    folders = ("03_generation/generation_responses", "04_evaluation/evaluation_responses")
    root = airflow.settings.data_root
    return {path: path.read_bytes() for folder in folders for path in (root / folder).glob("*.txt")}


def test_the_nightly_run_starts_each_experiment_once_per_date(
    airflow: RunningAirflow, second_pass: str
) -> None:
    first = airflow.trigger({}, dag_id="daydream_nightly")
    assert airflow.wait(first, "daydream_nightly") == "success"
    (started,) = airflow.instances(first, "daydream_nightly", "start_experiment")
    run_id = f"nightly__tonight_{first.split('__')[1][:10]}"
    assert started.rendered_map_index == run_id
    assert airflow.wait(run_id) == "success"
    assert (airflow.settings.data_root / "06_summary" / run_id.removeprefix("nightly__")).is_dir()

    second = airflow.trigger({}, dag_id="daydream_nightly")
    assert airflow.wait(second, "daydream_nightly") == "success"
    (skipped,) = airflow.instances(second, "daydream_nightly", "start_experiment")
    assert skipped.state == "skipped"


def test_a_mistyped_parameter_fails_the_first_task_with_a_clear_line(
    airflow: RunningAirflow, second_pass: str
) -> None:
    run_id = airflow.trigger({"experiment": "faulty", "generation_models": ["fasst"], "k_max": 14})
    assert airflow.wait(run_id) == "failed"
    states = {i.task_id: i.state for i in airflow.instances(run_id)}
    assert states["load_inputs"] == "failed"
    assert states["generate"] == "upstream_failed"
    log = _log(airflow, run_id, "load_inputs")
    assert "Did you mean fast?" in log
    assert "k_max must be between 1 and 5" in log


def test_a_dry_run_sends_nothing(airflow: RunningAirflow, second_pass: str) -> None:
    before = airflow.simulator.stats()["calls"]
    run_id = airflow.trigger({"experiment": "faulty", "k_max": 2, "dry_run": True})
    assert airflow.wait(run_id) == "success"
    states = {i.task_id: i.state for i in airflow.instances(run_id)}
    assert states["estimate_cost"] == "success"
    assert {states[t] for t in ("generate", "evaluate", "check_completeness")} == {"skipped"}
    assert airflow.simulator.stats()["calls"] == before
    assert "20 new" in _log(airflow, run_id, "estimate_cost")


def _priced(airflow: RunningAirflow) -> None:
    models = airflow.settings.inputs_root / "01_raw" / "llm_models.csv"
    models.write_text(models.read_text().replace(",0,0,", ",5,5,"))


def test_over_its_cap_nothing_is_sent_and_raising_it_and_clearing_goes_on(
    airflow: RunningAirflow, second_pass: str
) -> None:
    _priced(airflow)
    airflow.simulator.control(**{f"rate_{fault}": 0.0 for fault in Fault})
    before = airflow.simulator.stats()["calls"]
    conf = {
        "experiment": "faulty",
        "experiment_id": "capped",
        "k_max": 2,
        "generation_models": ["fast"],
        "max_cost_usd": 0.000001,
    }
    run_id = airflow.trigger(conf)
    assert airflow.wait(run_id) == "failed"
    assert airflow.simulator.stats()["calls"] == before
    generations = airflow.instances(run_id, task_id="generate")
    assert {i.state for i in generations} == {"failed"}
    [failure, *_] = read_failures(engine_for(airflow.settings), "capped")
    assert failure["error_class"] == "BudgetError"
    assert "max_cost_usd of experiment capped is 0.000001 US dollars" in failure["message"]
    set_cap(airflow.settings, "capped", 1000)
    airflow.clear_failed(run_id)
    assert airflow.wait(run_id) == "success"
    assert airflow.simulator.stats()["calls"] == before + 2 * len(generations)


def _approve(airflow: RunningAirflow, run_id: str, option: str) -> None:
    """Answer Airflow's own form, once it is there."""
    path = f"/api/v2/dags/daydream_experiment/dagRuns/{run_id}/taskInstances/estimate_cost/-1/hitlDetails"
    deadline = time.monotonic() + 60
    while airflow.client.send("GET", path).status_code != 200:
        assert time.monotonic() < deadline, "nobody was asked"
        time.sleep(0.5)
    assert "US dollars" in airflow.client.request("GET", path)["subject"]
    # No person is so quick: until the executor has reported the pause, Airflow takes the task for lost.
    time.sleep(4)
    airflow.client.request("PATCH", path, json={"chosen_options": [option], "params_input": {}})


def test_a_refused_estimate_sends_nothing_and_fails_the_run_with_the_reason(
    airflow: RunningAirflow, second_pass: str
) -> None:
    before = airflow.simulator.stats()["calls"]
    run_id = airflow.trigger(
        {"experiment": "faulty", "experiment_id": "asked", "k_max": 3, "approve_above_usd": 0}
    )
    _approve(airflow, run_id, "Reject")
    assert airflow.wait(run_id) == "failed"
    states = {i.task_id: i.state for i in airflow.instances(run_id)}
    assert {states["generate"], states["evaluate"]} == {"upstream_failed"}
    assert airflow.simulator.stats()["calls"] == before
    assert "refused by admin: nothing was sent" in _log(airflow, run_id, "estimate_cost")
    assert "refused by admin: nothing was sent" in _log(airflow, run_id, "check_completeness")


def test_an_approved_plan_runs_in_shards_that_are_one_whole(
    airflow: RunningAirflow, second_pass: str
) -> None:
    conf = {
        "experiment": "faulty",
        "experiment_id": "sharded",
        "k_max": 3,
        "generation_models": ["fast"],
        "approve_above_usd": 0,
        "shard_size": 7,
    }
    run_id = airflow.trigger(conf)
    _approve(airflow, run_id, "Approve")
    assert airflow.wait(run_id) == "success"
    engine = engine_for(airflow.settings)
    shards = runs_of_plan(engine, run_id)
    assert len(shards) == 3
    assert {airflow.state(shard.run_id) for shard in shards} == {"success"}
    scores = _table(airflow, "05_parsing/sharded/parsed_scores.csv")
    planned = [cell for shard in shards for cell in cells_of_run(engine, shard.run_id, "evaluation")]
    assert sorted(scores["evaluation_task_id"]) == sorted(cell.cell_id for cell in planned)
    for shard in shards[1:]:
        states = {i.task_id: i.state for i in airflow.instances(shard.run_id)}
        assert states["parse_scores"] == "skipped"  # the first run writes the tables
        assert states["check_completeness"] == "success"


def test_the_key_is_in_no_log_database_or_file(airflow: RunningAirflow, second_pass: str) -> None:
    folder = airflow.home.path.parent
    searched = [path for path in folder.rglob("*") if path.is_file()]
    assert len(searched) > 100
    assert [p for p in searched if SECRET.encode() in p.read_bytes()] == []


def _states(airflow: RunningAirflow, run: dict[str, Any]) -> set[str]:
    return {instance.state for instance in airflow.instances(run["dag_run_id"], CROSS)}


def _table(airflow: RunningAirflow, name: str) -> pd.DataFrame:
    return pd.read_csv(airflow.settings.data_root / name)


def _log(airflow: RunningAirflow, run_id: str, task_id: str) -> str:
    folder: Path = (
        airflow.home.path / "logs" / f"dag_id=daydream_experiment/run_id={run_id}/task_id={task_id}"
    )
    return "".join(path.read_text() for path in sorted(folder.glob("attempt=*.log")))
