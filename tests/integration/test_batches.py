"""A run whose model is called in batches, in a real Airflow: one member fails, and is cleared."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from daydreaming.llm.simulator import SimulatorConfig, answer_for
from daydreaming.llm.simulator.behaviour import fails_in_batch
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.ledger import experiment_scope, read_budget, read_calls
from daydreaming.store.results import read_failures, read_responses
from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.support.experiments import FILES, MODEL_HEADER, make_inputs

pytest.importorskip("airflow.providers.common.ai", reason="requirements-batch.lock is not installed")
pytestmark = pytest.mark.integration

SECRET = "sk-secret-77f0b1c2d3"
CONCEPTS = {
    "ants": "Ants {{ 7 * 7 }} dig.",
    "bees": "{% raw %}Bees",
    "cats": "Cats nap.",
    "dogs": "Dogs dig.",
}
MODELS = f"{MODEL_HEADER},active\nhalf,sim-half,sim,Half,true,true,,local_llm,llm_batch,,,,1,2,,true\n"
EXPERIMENT = (
    "k_max: 2\ndescription_level: sentence\ngeneration_templates: [essay]\nevaluation_templates: [rigor]\n"
    "evaluation_models: [half]\nmax_cost_usd: 10\n"
)
CONFIG = SimulatorConfig(seed=27, batch_latency_s=0.5, batch_failed=0.1, api_key=SECRET)


def prompts() -> list[str]:
    """Of the generations: what the shipped template of the tests makes of each pair."""
    pairs = itertools.combinations(CONCEPTS, 2)
    return ["".join(f"{c.title()}: {CONCEPTS[c]}\n" for c in pair) for pair in pairs]


def write_inputs(root: Path) -> None:
    files: dict[str, str | None] = dict.fromkeys(
        name for name in FILES if "concepts" in name or "exp" in name
    )
    files |= {
        "01_raw/concepts/concepts_metadata.csv": "concept_id,name,active\n"
        + "".join(f"{c},{c.title()},true\n" for c in CONCEPTS),
        **{f"01_raw/concepts/descriptions-sentence/{c}.txt": text for c, text in CONCEPTS.items()},
        "01_raw/evaluation_templates/rigor.txt": "Judge:\n{{ response }}\n0-9. SCORE: ?\n",
        "01_raw/llm_models.csv": MODELS,
        "experiments/halved.yaml": EXPERIMENT,
    }
    make_inputs(root, **files)


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAirflow]:
    folder = tmp_path_factory.mktemp("deployment")
    write_inputs(folder / "inputs")
    with running_airflow(folder, CONFIG, {"DAYDREAMING_TASK_RETRIES": "1"}) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def first_pass(airflow: RunningAirflow) -> str:
    run_id = airflow.trigger({"experiment": "halved"})
    assert airflow.wait(run_id) == "failed"
    return run_id


def test_exactly_the_member_that_fails_in_the_batch_fails(airflow: RunningAirflow, first_pass: str) -> None:
    failing = [p for p in prompts() if fails_in_batch(CONFIG, "sim-half", p)]
    assert len(failing) == 1, "the seed is chosen so"
    failed = [i for i in airflow.instances(first_pass, task_id="generate") if i.state != "success"]
    assert [i.state for i in failed] == ["failed"]
    files = DataRoot(airflow.settings.data_root)
    assert files.prompt("generation", str(failed[0].rendered_map_index)).read_text() == failing[0]
    assert failed[0].pool == "llm_batch"
    first, *rest = read_failures(engine_for(airflow.settings), "halved")
    assert (first["error_class"], first["cell_id"]) == ("BatchMemberError", failed[0].rendered_map_index)
    assert [row["error_class"] for row in rest] == ["MissingResponseError"]  # its evaluation


def test_each_stage_asks_in_one_batch_and_each_prompt_as_it_is(
    airflow: RunningAirflow, first_pass: str
) -> None:
    stats = airflow.simulator.stats()
    assert stats["batches"] == {"created": 2, "completed": 2, "members": 6 + 5}
    assert stats["duplicates"] == 0
    assert stats["calls"] == 6 + 5
    files = DataRoot(airflow.settings.data_root)
    for row in read_responses(engine_for(airflow.settings), "generation"):
        cell = row["generation_task_id"]
        prompt = files.prompt("generation", cell).read_text()
        assert prompt in prompts()
        assert files.read_response("generation", cell) == answer_for(27, row["model_requested"], prompt)


def test_a_members_answer_lands_at_half_the_price_and_says_so(
    airflow: RunningAirflow, first_pass: str
) -> None:
    engine = engine_for(airflow.settings)
    for call in read_calls(engine, "halved"):
        if call["state"] != "answered":
            continue
        exact = (call["prompt_tokens"] * 1 + call["completion_tokens"] * 2) * 1000 / 2
        assert call["cost_nanousd"] == pytest.approx(exact, abs=1)
    rows = [r for r in read_responses(engine, "evaluation") if r["score"] is not None]
    assert len(rows) == 5
    record = DataRoot(airflow.settings.data_root).read_provenance("evaluation", rows[0]["evaluation_task_id"])
    assert record["batch_id"].startswith("batch_")
    assert record["cost_source"] == "llm_models.csv, batch"
    assert read_budget(engine, experiment_scope("halved"))[1] == 0, "nothing is reserved any more"


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


def test_the_key_and_no_essay_is_in_airflows_database(airflow: RunningAirflow, first_pass: str) -> None:
    database = b"".join(path.read_bytes() for path in airflow.home.path.glob("airflow.db*"))
    assert SECRET.encode() not in database
    [text, *_] = [
        row["generation_task_id"] for row in read_responses(engine_for(airflow.settings), "generation")
    ]
    essay = DataRoot(airflow.settings.data_root).read_response("generation", text)
    assert essay[:60].encode() not in database
