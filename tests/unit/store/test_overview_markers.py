"""What tells that an experiment's counts have changed, on both databases."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Engine, insert

from daydreaming.store.admission import admit_calls
from daydreaming.store.overview_markers import Marker, read_markers
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import PlannedCall, Run
from daydreaming.store.statistics import replace_statistics
from tests.support.attempts import call_order
from tests.support.response_rows import ENDED, generation, store_members

IDS = ("one", "two")


def run(name: str, experiment_id: str, **fields: object) -> dict[str, object]:
    return {
        "run_id": name,
        "experiment_id": experiment_id,
        "inputs_digest": "0",
        "inputs_path": "x",
        "params": {},
        "created_at": ENDED,
        **fields,
    }


def planned(run_id: str, index: int, cell_id: str) -> dict[str, object]:
    return {
        "run_id": run_id,
        "stage": "generation",
        "map_index": index,
        "cell_id": cell_id,
        "pool": "p",
        "model_name": "m",
        "generation_task_id": cell_id,
        "combo_id": "c",
        "generation_template": "essay",
        "generation_model": "gen",
        "generation_replicate": 1,
    }


def failure(error_class: str = "LLMPermanentError") -> dict[str, object]:
    return {
        "experiment_id": "one",
        "run_id": "r1",
        "stage": "generation",
        "cell_id": "a",
        "model": "gen",
        "attempt": 1,
        "error_class": error_class,
        "message": "no",
        "final": True,
        "occurred_at": ENDED,
    }


def start(engine: Engine) -> dict[str, Marker]:
    """Two experiments that both planned the cell ``a``."""
    with engine.begin() as connection:
        connection.execute(insert(Run), [run("r1", "one"), run("r2", "two")])
        connection.execute(insert(PlannedCall), [planned("r1", 0, "a"), planned("r2", 0, "a")])
    return read_markers(engine, IDS)


def changed(engine: Engine, before: dict[str, Marker]) -> str:
    """Experiments whose counts may be others."""
    after = read_markers(engine, IDS)
    return " ".join(name for name in IDS if after[name].written != before[name].written)


def test_nothing_changes_by_itself(results_engine: Engine) -> None:
    before = start(results_engine)
    assert read_markers(results_engine, IDS) == before
    assert before["one"].last_failure_at is None
    assert not before["one"].is_in_flight
    assert read_markers(results_engine, ()) == {}


def test_a_run_and_its_plan_change_the_marker(results_engine: Engine) -> None:
    before = start(results_engine)
    with results_engine.begin() as connection:
        connection.execute(insert(Run), [run("r3", "one")])
    assert changed(results_engine, before) == "one"
    before = read_markers(results_engine, IDS)
    with results_engine.begin() as connection:
        connection.execute(insert(PlannedCall), [planned("r3", 0, "b")])
    assert changed(results_engine, before) == "one"


def test_a_response_changes_the_marker_of_all_that_it_serves(results_engine: Engine) -> None:
    before = start(results_engine)
    store_members(results_engine, "generation", [generation("a")], IDS)
    assert changed(results_engine, before) == "one two"


def test_a_failure_changes_the_marker_and_says_when(results_engine: Engine) -> None:
    before = start(results_engine)
    insert_failure(results_engine, failure())
    assert changed(results_engine, before) == "one"
    one = read_markers(results_engine, IDS)["one"]
    assert (one.last_failure_at, one.has_refused) == (ENDED, False)
    insert_failure(results_engine, {**failure("StaleResponseError"), "occurred_at": ENDED + timedelta(1)})
    one = read_markers(results_engine, IDS)["one"]
    assert (one.last_failure_at, one.has_refused) == (ENDED + timedelta(1), True)


def test_a_call_is_in_flight_in_every_experiment_that_planned_its_cell(results_engine: Engine) -> None:
    before = start(results_engine)
    with results_engine.begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="one", cell_id="a")])
    assert changed(results_engine, before) == "one"
    assert {name: m.is_in_flight for name, m in read_markers(results_engine, IDS).items()} == {
        "one": True,
        "two": True,
    }


def test_statistics_of_any_experiment_may_tell_of_other_scores(results_engine: Engine) -> None:
    before = start(results_engine)
    replace_statistics(results_engine, "two", {}, {"made_of": {"scores": "1"}, "files": {}})
    after = read_markers(results_engine, IDS)
    assert changed(results_engine, before) == ""
    assert after["one"].scored == after["two"].scored != before["one"].scored
