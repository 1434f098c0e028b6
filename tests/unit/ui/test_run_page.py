"""From a run of Airflow's to its experiment."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from daydreaming.settings import DAG_ID, Settings
from tests.support.experiments import planned_run

RUN_ID = "manual__2026-03-01T12:00:00+00:00"


def go(site: TestClient, **query: str):
    return site.get("/run", params=query, follow_redirects=False)


@pytest.mark.parametrize("run_id", [RUN_ID, f"{RUN_ID}~shard-2-of-2"])
def test_a_run_and_its_shards_lead_to_the_experiment(
    site: TestClient, settings: Settings, run_id: str
) -> None:
    planned_run(settings, RUN_ID, shard_size=2)
    answer = go(site, dag_id=DAG_ID, run_id=run_id)
    assert (answer.status_code, answer.headers["location"]) == (303, "/daydreaming/experiments/demo")


@pytest.mark.parametrize(
    ("dag_id", "run_id", "said"),
    [
        ("daydream_nightly", RUN_ID, "This is a run of <code>daydream_nightly</code>"),
        (DAG_ID, "manual__other", "Run <code>manual__other</code> is not in the results database"),
        ("<b>x</b>", "<i>y</i>", "This is a run of <code>&lt;b&gt;x&lt;/b&gt;</code>"),
    ],
)
def test_other_runs_are_told_from_experiments(
    site: TestClient, settings: Settings, dag_id: str, run_id: str, said: str
) -> None:
    for _ in range(2):
        answer = go(site, dag_id=dag_id, run_id=run_id)
        assert answer.status_code == 200
        assert said in answer.text
        assert 'href="/daydreaming/"' in answer.text
        planned_run(settings, RUN_ID)


@pytest.mark.parametrize(
    "query",
    [{}, {"dag_id": DAG_ID}, {"dag_id": DAG_ID, "run_id": ""}, {"dag_id": DAG_ID, "run_id": "x" * 251}],
)
def test_both_names_are_needed(site: TestClient, query: dict[str, str]) -> None:
    assert go(site, **query).status_code == 422
