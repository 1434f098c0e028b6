"""The fields of what is logged of a call, as Airflow writes its JSON lines."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest
import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars
from structlog.testing import capture_logs

from daydreaming.triggers.log_fields import bind_log
from tests.support.trigger_runs import cell_id, drive, events_of
from tests.unit.triggers.conftest import KEY

pytestmark = pytest.mark.usefixtures("impatient", "connected")


@pytest.fixture(autouse=True)
def unbound():
    """What a test binds ends with it."""
    structlog.contextvars.clear_contextvars()
    yield
    structlog.contextvars.clear_contextvars()


def fields_of(engine, **place):
    return {
        "experiment_id": "demo",
        "stage": "generation",
        "model": "free",
        "cell_id": cell_id(engine, **place),
    }


def test_what_a_trigger_logs_says_which_call_it_is(engine, simulator):
    simulator.control(rate_500=1.0)
    expected = fields_of(engine)
    with capture_logs(processors=[merge_contextvars]) as logs:
        drive()
    said = [entry for entry in logs if "Attempt 1 of 2 failed" in entry["event"]]
    assert len(said) == 1
    assert expected.items() <= said[0].items()
    assert KEY not in str(logs)


def test_two_triggers_do_not_take_each_others_fields(engine):
    async def both():
        with capture_logs(processors=[merge_contextvars]) as logs:
            await asyncio.gather(*(asyncio.create_task(events_of(index=index)) for index in (0, 1)))
        return [entry for entry in logs if entry["event"].startswith("Answered: ")]

    said = asyncio.run(both())
    cells = {cell_id(engine, index=index) for index in (0, 1)}
    assert {entry["cell_id"] for entry in said} == cells
    assert {entry["model"] for entry in said} == {"free", "paid"}
    assert get_contextvars() == {}


def test_a_batch_has_no_cell_and_what_is_bound_already_stays():
    with bound_contextvars(dag_id="daydream_experiment"):
        bind_log("demo", "evaluation", "judge")
        assert get_contextvars() == {
            "dag_id": "daydream_experiment",
            "experiment_id": "demo",
            "stage": "evaluation",
            "model": "judge",
        }


def test_lines_of_other_loggers_have_the_fields_too():
    """As Airflow sets them up: a task's JSON lines, whoever logs."""
    code = (
        "import logging, sys; from airflow.sdk.log import configure_logging; "
        "configure_logging(json_output=True, output=sys.stdout.buffer); "
        "from daydreaming.triggers.log_fields import bind_log; bind_log('demo', 'generation', 'free', 'c1'); "
        "logging.getLogger('daydreaming.triggers.leases').warning('Lost the lease on %s', 'c1')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    line = json.loads(done.stdout.strip().splitlines()[-1])
    assert line["event"] == "Lost the lease on c1"
    fields = {"experiment_id": "demo", "stage": "generation", "model": "free", "cell_id": "c1"}
    assert fields.items() <= line.items()
