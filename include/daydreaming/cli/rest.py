"""Airflow's REST API as the command line needs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.services import read_deployment
from daydreaming.errors import DaydreamingError, InputError

DAG_ID = "daydream_experiment"
_TIMEOUT_S = 60.0


class AirflowUnreachableError(DaydreamingError):
    """Airflow does not answer, or does not let us in."""


@dataclass
class AirflowClient:
    """A logged-in client of one Airflow.

    Attributes:
        url: Where Airflow is, without a slash at the end.
    """

    url: str
    user: str
    password: str

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT_S)
        self._log_in()

    @classmethod
    def from_env(cls) -> AirflowClient:
        """``DAYDREAMING_AIRFLOW_URL``, ``_USER`` and ``_PASSWORD``, else what ``daydreaming up`` started.

        Raises:
            InputError: Neither is there.
            AirflowUnreachableError: It does not answer.
        """
        url = os.environ.get("DAYDREAMING_AIRFLOW_URL")
        if url:
            user = os.environ.get("DAYDREAMING_AIRFLOW_USER", USER)
            return cls(url.rstrip("/"), user, os.environ.get("DAYDREAMING_AIRFLOW_PASSWORD", ""))
        home = Home.from_env()
        deployment = read_deployment(home)
        if deployment is None:
            raise InputError(
                "Airflow is not running. Start it with `daydreaming up`, or set DAYDREAMING_AIRFLOW_URL, "
                "DAYDREAMING_AIRFLOW_USER and DAYDREAMING_AIRFLOW_PASSWORD."
            )
        return cls(deployment.url, USER, home.password())

    def trigger(self, conf: Mapping[str, Any], run_id: str | None = None) -> str:
        """Start a run of the experiment DAG; returns its ID."""
        body = {"conf": dict(conf), "logical_date": None, "dag_run_id": run_id}
        return str(self.request("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", json=body)["dag_run_id"])

    def run_state(self, run_id: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(self.request("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}")["state"])

    def count_instances(self, run_id: str, task_id: str, state: str) -> int:
        """How many instances of a task are in a state."""
        params = {"task_id": task_id, "state": state, "limit": 1}
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}/taskInstances"
        return int(self.request("GET", path, params=params)["total_entries"])

    def failed_tasks(self, run_id: str) -> list[str]:
        """IDs of the tasks that failed, mapped ones once."""
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}/taskInstances"
        found = self.request("GET", path, params={"state": "failed", "limit": 100})["task_instances"]
        return list(dict.fromkeys(str(instance["task_id"]) for instance in found))

    def dag_is_ready(self) -> bool:
        """Whether the experiment's DAG is parsed."""
        return self._send("GET", f"/api/v2/dags/{DAG_ID}").status_code == httpx.codes.OK

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request; the answer's JSON object.

        Raises:
            AirflowUnreachableError: Airflow does not answer, or answers with an error.
        """
        response = self._send(method, path, **options)
        if response.is_error:
            raise AirflowUnreachableError(
                f"Airflow answered {response.status_code} to {method} {path}: {_detail(response)}"
            )
        return dict(response.json())

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **options)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._log_in()
                response = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise AirflowUnreachableError(f"Airflow does not answer at {self.url}: {error}.") from error
        return response

    def _log_in(self) -> None:
        try:
            response = self._http.post("/auth/token", json={"username": self.user, "password": self.password})
        except httpx.HTTPError as error:
            raise AirflowUnreachableError(
                f"Airflow does not answer at {self.url}: {error}. Start it with `daydreaming up`."
            ) from error
        if response.is_error:
            raise AirflowUnreachableError(f"Airflow at {self.url} does not accept user {self.user!r}.")
        self._http.headers["Authorization"] = f"Bearer {response.json()['access_token']}"


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", response.text))
    except ValueError:
        return response.text[:300]
