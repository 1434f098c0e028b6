"""The Airflow that the browser looks at: a finished experiment, and one to be started from the form."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daydreaming.cli.environment import USER
from daydreaming.design.combinations import combine
from daydreaming.llm.simulator import SimulatorConfig
from daydreaming.settings import Settings
from daydreaming.store.files import DataRoot
from tests.integration.airflow_deployment import RunningAirflow, running_airflow
from tests.support.made_data import make_experiment
from tests.support.made_design import SMALL
from tests.support.made_texts import CONCEPTS

#: Finished before the first test, with every table.
FINISHED = "idle-minds"
#: Saved, and started from the form.
SAVED = "evening-run"
#: Its choice of models in the form; the first of them makes the essay below.
GENERATORS = ("alder_large", "hazel")
JUDGE = "judge_strict"
#: Other combinations than those of the finished experiment, whose answers it would take.
_CONCEPTS, _K_MAX = list(CONCEPTS)[: SMALL.concepts - 1], 3
_TEMPLATE, _RUBRIC = "free-essay", "rigor"
#: What nobody should let a model write, and any of them can.
HOSTILE = (
    "A plain beginning.\n<script>document.title = 'taken over'</script>\n"
    '"><img src="/nothing" onerror="document.title = \'taken over\'">\n{{ 7 * 7 }}\nA plain end.'
)
#: A third of the calls fail until the tests say otherwise; each takes long enough to be watched.
CONFIG = SimulatorConfig(seed=3, latency_s=2.0, rate_500=0.35, api_key="simulated")
ENVIRONMENT = {
    "DAYDREAMING_POOLS": "llm_local=3",
    "DAYDREAMING_CALL_ATTEMPTS": "1",
    "DAYDREAMING_TASK_RETRIES": "0",
    "DAYDREAMING_NIGHTLY_SCHEDULE": "0 0 29 2 *",
}


def hostile_generation() -> str:
    """ID of the generation whose answer is there before its run, brought by a person."""
    combination = combine(_CONCEPTS, _K_MAX, "paragraph")[0]
    return f"{combination.combo_id}_{_TEMPLATE}_{GENERATORS[0]}"


@contextmanager
def deployment(folder: Path) -> Iterator[RunningAirflow]:
    """Make the data, start everything, end it at the end."""
    settings = Settings(folder / "inputs", folder / "data")
    make_experiment(settings, SMALL, experiment_id=FINISHED, rater=USER, with_tables=True)
    saved = settings.inputs_root / "experiments" / f"{SAVED}.yaml"
    saved.write_text(
        f"k_max: {_K_MAX}\nconcepts: [{', '.join(_CONCEPTS)}]\ngeneration_templates: [{_TEMPLATE}]\n"
        f"evaluation_templates: [{_RUBRIC}]\nevaluation_models: [{JUDGE}]\n"
    )
    path = DataRoot(settings.data_root).response("generation", hostile_generation())
    path.write_text(HOSTILE, encoding="utf-8")
    with running_airflow(folder, CONFIG, ENVIRONMENT) as running:
        yield running
