"""A run whose model is called in batches, in a real Airflow: one member fails, and is cleared."""

from __future__ import annotations

import csv
import itertools
from dataclasses import replace

import pytest

from daydreaming.llm.simulator import Fault, answer_for
from daydreaming.llm.simulator.behaviour import fails_in_batch
from daydreaming.prompts.render import render_generation
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import experiment_scope, read_budget, read_calls
from daydreaming.store.results import read_failures
from tests.integration.airflow_deployment import RunningAirflow
from tests.integration.faulty_experiment import CONFIG, SECRET, TEXTS

pytest.importorskip("airflow.providers.common.ai", reason="requirements-batch.lock is not installed")
pytestmark = pytest.mark.integration

CONCEPTS = ("ants", "bees", "cats", "dogs")
BATCHES = {"batch_failed": 0.2, "batch_latency_s": 0.5}
CONF = {
    "experiment": "faulty",
    "experiment_id": "halved",
    "k_max": 2,
    "concepts": list(CONCEPTS),
    "generation_templates": ["plain"],
    "generation_models": ["half"],
    "evaluation_models": ["half"],
    "max_cost_usd": 10,
}


def prompts() -> list[str]:
    """Of the generations: one for each pair of concepts."""
    pairs = itertools.combinations(CONCEPTS, 2)
    shown = [[{"name": c.title(), "content": f"What {c} do all day."} for c in pair] for pair in pairs]
    return [render_generation(f"{TEXTS['plain']}\n", concepts) for concepts in shown]


@pytest.fixture(scope="module")
def first_pass(airflow: RunningAirflow) -> str:
    airflow.simulator.reset()
    airflow.simulator.control(**{f"rate_{fault}": 0.0 for fault in Fault}, **BATCHES)
    run_id = airflow.trigger(CONF)
    assert airflow.wait(run_id) == "failed"
    return run_id


def test_exactly_the_member_that_fails_in_the_batch_fails(airflow: RunningAirflow, first_pass: str) -> None:
    config = replace(CONFIG, **BATCHES)
    [failing] = [prompt for prompt in prompts() if fails_in_batch(config, "sim-half", prompt)]
    generations = airflow.instances(first_pass, task_id="generate")
    assert {i.pool for i in generations} == {"llm_batch"}
    [failed] = [i for i in generations if i.state != "success"]
    assert failed.state == "failed"
    files = DataRoot(airflow.settings.data_root)
    assert files.prompt("generation", str(failed.rendered_map_index)).read_text() == failing
    of_batch, of_evaluation = read_failures(engine_for(airflow.settings), "halved")
    assert (of_batch["error_class"], of_batch["cell_id"]) == ("BatchMemberError", failed.rendered_map_index)
    assert of_evaluation["error_class"] == "MissingResponseError"


def test_each_stage_is_one_batch_and_each_member_lands_its_own_answer(
    airflow: RunningAirflow, first_pass: str
) -> None:
    stats = airflow.simulator.stats()
    assert stats["batches"] == {"created": 2, "completed": 2, "members": 6 + 5}
    assert (stats["calls"], stats["duplicates"]) == (6 + 5, 0)
    files, answered = DataRoot(airflow.settings.data_root), []
    for instance in airflow.instances(first_pass, task_id="generate"):
        cell = str(instance.rendered_map_index)
        if files.is_answered("generation", cell):
            prompt = files.prompt("generation", cell).read_text()
            assert files.read_response("generation", cell) == answer_for(CONFIG.seed, "sim-half", prompt)
            answered.append(prompt)
    assert len(answered) == 5
    assert set(answered) < set(prompts())


def test_a_member_costs_half_and_its_record_says_why(airflow: RunningAirflow, first_pass: str) -> None:
    engine = engine_for(airflow.settings)
    answered = [call for call in read_calls(engine, "halved") if call["state"] == "answered"]
    assert len(answered) == 5 + 5
    for call in answered:
        full = (call["prompt_tokens"] * 1 + call["completion_tokens"] * 2) * 1000
        assert call["cost_nanousd"] == full // 2
    assert read_budget(engine, experiment_scope("halved"))[1] == 0, "nothing is reserved any more"
    record = DataRoot(airflow.settings.data_root).read_provenance(
        answered[0]["stage"], answered[0]["cell_id"]
    )
    assert record["batch_id"].startswith("batch_")
    assert record["cost_source"] == "llm_models.csv, batch"


def test_clearing_what_failed_calls_only_that_and_in_the_ordinary_way(
    airflow: RunningAirflow, first_pass: str
) -> None:
    before = airflow.simulator.stats()
    airflow.clear_failed(first_pass)
    assert airflow.wait(first_pass) == "success"
    after = airflow.simulator.stats()
    assert after["batches"] == before["batches"]
    assert after["calls"] == before["calls"] + 2  # the generation, and its evaluation
    assert after["models"]["sim-half"]["status_codes"] == {"200": 2}
    assert after["duplicates"] == 0
    with (airflow.settings.data_root / "05_parsing/halved/parsed_scores.csv").open() as table:
        assert len([row for row in csv.DictReader(table) if row["score"]]) == 6


def test_neither_key_nor_essay_is_in_airflows_database(airflow: RunningAirflow, first_pass: str) -> None:
    database = b"".join(path.read_bytes() for path in airflow.home.path.glob("airflow.db*"))
    assert SECRET.encode() not in database
    essay = answer_for(CONFIG.seed, "sim-half", prompts()[0])
    assert essay[:60].encode() not in database
