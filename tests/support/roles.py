"""What each role of `deploy/init.py` may do: by action the least role, and a request that shows it."""

from __future__ import annotations

from daydreaming.settings import DAG_ID

VIEWER, RUNNER, EDITOR = ROLES = ("ExperimentViewer", "ExperimentRunner", "ExperimentEditor")
_DAG = f"/api/v2/dags/{DAG_ID}"
_ESTIMATE = f"{_DAG}/dagRuns/none/taskInstances/estimate_cost/-1"
_ANSWER = {"chosen_options": ["Approve"], "params_input": {}}
_RUN = {"logical_date": None, "conf": {"experiment": "demo", "dry_run": True}}
#: By what the table of docs/deployment.md calls it: the least role, and a request that no state stands in the
#: way of. Where what it names does not exist, who may is told so (404), who may not is not (403).
ACTIONS: dict[str, tuple[str | None, str, str, dict | None]] = {
    "read DAGs, runs, logs": (VIEWER, "GET", f"{_DAG}/dagRuns", None),
    "see and read the Experiments pages": (VIEWER, "GET", "/daydreaming/experiments/demo", None),
    "find their entry in Airflow's frame": (VIEWER, "GET", "/api/v2/plugins", None),
    "start a run": (RUNNER, "POST", f"{_DAG}/dagRuns", _RUN),
    "clear instances and runs": (RUNNER, "POST", f"{_DAG}/clearTaskInstances", {"only_failed": True}),
    "approve or refuse an estimate": (RUNNER, "PATCH", f"{_ESTIMATE}/hitlDetails", _ANSWER),
    "pause and unpause DAGs": (RUNNER, "PATCH", _DAG, {"is_paused": False}),
    "rate essays": (RUNNER, "GET", "/daydreaming/experiments/demo/rate", None),
    "change pools": (EDITOR, "POST", "/api/v2/pools", {"name": "of-a-test", "slots": 1}),
    "read and change variables": (EDITOR, "POST", "/api/v2/variables", {"key": "of-a-test", "value": "v"}),
    "delete runs": (EDITOR, "DELETE", f"{_DAG}/dagRuns/none", None),
    "delete DAGs": (None, "DELETE", "/api/v2/dags/none", None),
    "read or change connections": (None, "GET", "/api/v2/connections", None),
    "read the audit log": (None, "GET", "/api/v2/eventLogs", None),
    "manage users and roles": (None, "GET", "/auth/fab/v1/users", None),
}


def allowed(action: str) -> tuple[str, ...]:
    """The roles that may do it."""
    least = ACTIONS[action][0]
    return ROLES[ROLES.index(least) :] if least else ()
