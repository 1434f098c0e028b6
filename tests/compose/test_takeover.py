"""Two triggerers, and one that dies while it makes calls."""

from __future__ import annotations

import time

import pytest

from tests.compose.stack import Stack, wait_for

pytestmark = pytest.mark.integration

TRIGGERERS = ("airflow-triggerer", "airflow-triggerer-2")
GENERATIONS, EVALUATIONS = 6, 12
#: Long enough to be in flight when the triggerer dies, and short beside a lease.
CALL_S = 40
_HELD = "SELECT count(*) FROM trigger JOIN job ON job.id = triggerer_id WHERE job.hostname = '{}'"


def test_when_a_triggerer_dies_the_other_makes_its_calls(stack: Stack):
    hosts = {name: stack.execute(name, "hostname").stdout.strip() for name in TRIGGERERS}
    client = stack.client()
    stack.simulator("/control", latency_s=CALL_S)
    stack.simulator("/stats/reset", attempts=True)
    # Other texts than those of the experiment demo itself, so that nothing is answered already.
    conf = {"experiment": "demo", "experiment_id": "takeover", "description_level": "paragraph"}
    run_id = client.trigger(conf)
    wait_for("calls", lambda: stack.simulator("/stats")["in_flight"] == GENERATIONS)

    held = {name: int(stack.sql("airflow", _HELD.format(host)).stdout) for name, host in hosts.items()}
    dying = max(held, key=lambda name: held[name])
    stack.engine.kill(stack.container(dying))
    killed_at = time.monotonic()
    stack.simulator("/control", latency_s=1)

    state = wait_for(
        "end of the run", lambda: (s := client.run_state(run_id)) not in ("queued", "running") and s
    )
    stats = stack.simulator("/stats")
    print(
        f"\n{dying} died with {held[dying]} of {GENERATIONS} calls in flight; the run ended "
        f"{time.monotonic() - killed_at:.0f} s later. {stats['calls']} calls, {stats['answered']} answered, "
        f"{stats['duplicates']} twice."
    )
    assert state == "success"
    assert not stack.state(dying)["State"]["Running"]
    assert held[dying] > 0
    assert stats["prompts_answered"] == GENERATIONS + EVALUATIONS
    # What was in flight in it is asked for again, and nothing else.
    assert stats["calls"] == GENERATIONS + EVALUATIONS + held[dying]
    assert stats["duplicates"] <= held[dying]
    stack.start(dying)
