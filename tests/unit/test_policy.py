"""The cluster policy: placed where there is a plan, silent everywhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import entry_points
from types import SimpleNamespace

import pluggy
import pytest

from daydreaming import policy
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.migrate import upgrade_database
from daydreaming.store.plans import PlannedCell, insert_plan


@dataclass
class Instance:
    task_id: str = "generate"
    map_index: int | None = 0
    run_id: str = "run-1"
    dag_id: str = "daydream_experiment"
    pool: str = "default_pool"
    _rendered_map_index: str | None = None

    def place(self, dag_run=None):
        policy.task_instance_mutation_hook(self, dag_run)
        return self.pool, self._rendered_map_index


UNTOUCHED = ("default_pool", None)


@pytest.fixture(autouse=True)
def _no_plans_from_other_tests(monkeypatch):
    monkeypatch.setattr(policy, "_plans", type(policy._plans)())


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def settings(data_root):
    made = Settings(data_root, data_root)
    upgrade_database(made)
    return made


def plan(settings, run_id="run-1"):
    engine = engine_for(settings)
    for stage, pool in (("generation", "llm_free"), ("evaluation", "llm_paid")):
        cells = [
            PlannedCell(stage, i, f"{stage}-{i}", pool if i else "llm_local", "m", "g", "c", "t", "m", 1)
            for i in range(2)
        ]
        insert_plan(engine, run_id, stage, cells)


@pytest.fixture
def queries(monkeypatch):
    seen = []
    read = policy._read_places

    def counted(run_id, stage):
        seen.append((run_id, stage))
        return read(run_id, stage)

    monkeypatch.setattr(policy, "_read_places", counted)
    return seen


@pytest.mark.parametrize("dag_run", [None, SimpleNamespace(run_id="run-1")], ids=["no dag_run", "dag_run"])
@pytest.mark.parametrize(
    ("task_id", "map_index", "place"),
    [
        ("generate", 0, ("llm_local", "generation-0")),
        ("generate", 1, ("llm_free", "generation-1")),
        ("evaluate", 0, ("llm_local", "evaluation-0")),
        ("evaluate", 1, ("llm_paid", "evaluation-1")),
    ],
)
def test_each_mapped_instance_gets_its_models_pool_and_its_id(settings, dag_run, task_id, map_index, place):
    plan(settings)
    assert Instance(task_id, map_index).place(dag_run) == place


@pytest.mark.parametrize(
    "instance",
    [
        Instance(map_index=-1),
        Instance(map_index=None),
        Instance(map_index=2),
        Instance(task_id="load_inputs"),
        Instance(task_id="parse_scores"),
        Instance(dag_id="another_dag"),
        Instance(run_id="another run"),
    ],
    ids=lambda i: f"{i.dag_id} {i.run_id} {i.task_id} {i.map_index}",
)
def test_every_other_instance_is_left_as_it_is(settings, instance):
    plan(settings)
    assert instance.place() == UNTOUCHED


@pytest.mark.parametrize(
    "instance", [Instance(map_index=-1), Instance(task_id="load_inputs"), Instance(dag_id="another_dag")]
)
def test_instances_that_cannot_have_a_place_cost_no_query(settings, queries, instance):
    instance.place()
    assert queries == []


def test_a_label_that_postgres_would_refuse_is_cut(settings):
    cell = PlannedCell("generation", 0, "x" * 300, "llm_free", "m", "g", "c", "t", "m", 1)
    insert_plan(engine_for(settings), "run-1", "generation", [cell])
    assert Instance().place() == ("llm_free", "x" * 250)


def test_a_plan_is_read_once_per_run_and_stage(settings, queries):
    plan(settings)
    plan(settings, "run-2")
    for _ in range(3):
        for run_id in ("run-1", "run-2"):
            for task_id in ("generate", "evaluate"):
                assert Instance(task_id, 1, run_id).place() != UNTOUCHED
    assert len(queries) == 4


def test_a_plan_that_is_not_there_yet_is_looked_for_again(settings, queries):
    assert Instance().place() == UNTOUCHED
    assert Instance().place() == UNTOUCHED
    plan(settings)
    assert Instance().place() == ("llm_local", "generation-0")
    assert len(queries) == 3


def test_only_so_many_plans_are_kept(settings, queries):
    for number in range(policy._RUNS_KEPT + 1):
        plan(settings, f"run-{number}")
        Instance(run_id=f"run-{number}").place()
    assert len(policy._plans) == policy._RUNS_KEPT
    assert Instance(run_id="run-0").place() == ("llm_local", "generation-0")


def test_without_a_database_nothing_is_placed_and_nothing_raised(data_root, caplog):
    assert Instance().place() == UNTOUCHED
    assert "could not place" in caplog.text


def test_with_a_broken_database_nothing_is_placed_and_nothing_raised(data_root, caplog):
    data_root.mkdir()
    (data_root / SQLITE_NAME).write_bytes(b"no database at all" * 100)
    assert Instance().place() == UNTOUCHED
    assert "could not place" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIRFLOW_CONN_DAYDREAMING_RESULTS", "mysql://u:p@h/d"),
        ("AIRFLOW_CONN_DAYDREAMING_RESULTS", "postgresql://u:p@127.0.0.1:1/d"),
        ("DAYDREAMING_DISPATCH", "nonsense"),
        ("DAYDREAMING_DATA_ROOT", "/proc/nowhere"),
    ],
)
def test_with_settings_that_cannot_be_used_nothing_is_placed_and_nothing_raised(
    data_root, monkeypatch, caplog, name, value
):
    monkeypatch.setenv(name, value)
    assert Instance().place() == UNTOUCHED
    assert "could not place" in caplog.text


@pytest.mark.parametrize("instance", [None, object(), SimpleNamespace(task_id="generate")])
def test_an_instance_of_another_make_raises_nothing(instance):
    policy.task_instance_mutation_hook(instance, None)


def test_the_hook_is_registered_for_airflow():
    [entry] = [e for e in entry_points(group="airflow.policy") if e.name == "daydreaming"]
    assert entry.load() is policy


def test_pluggy_finds_the_hook_with_airflows_names(settings):
    import airflow.policies

    manager = pluggy.PluginManager(airflow.policies.local_settings_hookspec.project_name)
    manager.add_hookspecs(airflow.policies)
    manager.register(policy)
    manager.check_pending()
    plan(settings)
    instance = Instance()
    manager.hook.task_instance_mutation_hook(task_instance=instance, dag_run=None)
    assert instance.pool == "llm_local"


USE_WITHOUT_AIRFLOW = """
import sys
sys.modules["airflow"] = None
from types import SimpleNamespace
from daydreaming import policy
heavy = {"alembic", "pandas", "pydantic", "openai"} & set(sys.modules)
assert not heavy, heavy
ti = SimpleNamespace(
    dag_id="daydream_experiment", run_id="run-1", task_id="generate", map_index=1, pool=""
)
policy.task_instance_mutation_hook(ti, None)
print(ti.pool, ti._rendered_map_index)
"""


def test_the_policy_works_where_airflow_cannot_be_imported_and_is_light(settings):
    plan(settings)
    run = subprocess.run(
        [sys.executable, "-c", USE_WITHOUT_AIRFLOW], capture_output=True, text=True, check=False
    )
    assert (run.stdout.strip(), run.stderr) == ("llm_free generation-1", "")


@pytest.mark.parametrize(("root", "is_loaded"), [("s3://dreams/one", True), ("/local", False)])
def test_what_reaches_an_object_store_is_loaded_ahead_only_where_it_is_used(root, is_loaded):
    code = "import sys, daydreaming.policy; print('s3fs' in sys.modules, 'airflow' in sys.modules)"
    env = {
        **os.environ,
        "DAYDREAMING_DATA_ROOT": root,
        "AIRFLOW_CONN_DAYDREAMING_RESULTS": "postgresql://u:p@127.0.0.1:1/d",
    }
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert run.stdout.split() == [str(is_loaded), "False"]
