"""Airflow's REST API as the command line needs it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from daydreaming.cli.environment import USER, Home
from daydreaming.cli.services import read_deployment
from daydreaming.errors import DaydreamingError, InputError
from daydreaming.settings import DAG_ID

_TIMEOUT_S = 60.0
_EXCERPT_CHARS = 300
#: What Airflow writes after a task's own error.
_ENDINGS = ("Task exited", "Task failed with exception")


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
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            # A proxy of the environment leads away from this machine.
            local = httpx.URL(self.url).host in ("127.0.0.1", "localhost", "::1")
            self._http = httpx.Client(base_url=self.url, timeout=_TIMEOUT_S, trust_env=not local)
        except httpx.InvalidURL as error:
            raise InputError(f"DAYDREAMING_AIRFLOW_URL must be a URL; got {self.url!r} ({error}).") from error
        try:
            self._log_in()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

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
        return str(_of(self.request("POST", f"/api/v2/dags/{DAG_ID}/dagRuns", json=body), "dag_run_id", str))

    def run_state(self, run_id: str) -> str:
        """``queued``, ``running``, ``success`` or ``failed``."""
        return str(_of(self.request("GET", f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}"), "state", str))

    def count_instances(self, run_id: str, task_id: str, state: str) -> int:
        """How many instances of a task are in a state."""
        params = {"task_id": task_id, "state": state, "limit": 1}
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}/taskInstances"
        return int(_of(self.request("GET", path, params=params), "total_entries", int))

    def failed_tasks(self, run_id: str) -> list[str]:
        """IDs of the tasks that failed, mapped ones once."""
        tasks = _of(self.request("GET", f"/api/v2/dags/{DAG_ID}/tasks"), "tasks", list)
        task_ids = [str(task["task_id"]) for task in tasks]
        return [task_id for task_id in task_ids if self.count_instances(run_id, task_id, "failed")]

    def run_url(self, run_id: str) -> str:
        """Where a person sees the run."""
        return f"{self.url}/dags/{DAG_ID}/runs/{_quoted(run_id)}"

    def asks_person(self, run_id: str) -> bool:
        """Whether the run waits for a person's approval."""
        path = f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}/hitlDetails"
        response = self.send("GET", path, params={"response_received": False, "limit": 1})
        return not response.is_error and bool(_json_object(response).get("total_entries"))

    def task_error(self, run_id: str, task_id: str) -> str | None:
        """The last error in the log of a failed instance of a task; None where its log tells none."""
        run = f"/api/v2/dags/{DAG_ID}/dagRuns/{_quoted(run_id)}/taskInstances"
        params = {"task_id": task_id, "state": "failed", "limit": 1}
        instances = self.request("GET", run, params=params).get("task_instances") or []
        if not instances:
            return None
        one = instances[0]
        response = self.send(
            "GET",
            f"{run}/{_quoted(task_id)}/logs/{one.get('try_number', 1)}",
            params={"map_index": one.get("map_index", -1), "full_content": True},
            headers={"Accept": "application/json"},
        )
        return None if response.is_error else _last_error(_json_object(response).get("content"))

    def dag_is_ready(self) -> bool:
        """Whether the experiment's DAG is parsed."""
        return self.send("GET", f"/api/v2/dags/{DAG_ID}").status_code == httpx.codes.OK

    def request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One request; the answer's JSON object.

        Raises:
            AirflowUnreachableError: Airflow does not answer, or answers with an error.
        """
        response = self.send(method, path, **options)
        if response.is_error:
            raise AirflowUnreachableError(
                f"Airflow answered {response.status_code} to {method} {path}: {_detail(response)}"
            )
        return _json_object(response)

    def send(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request; the answer as it is, after logging in again where the token has run out.

        Raises:
            AirflowUnreachableError: Airflow does not answer.
        """
        try:
            response = self._http.request(method, path, **options)
            if response.status_code == httpx.codes.UNAUTHORIZED:
                self._log_in()
                response = self._http.request(method, path, **options)
        except (httpx.HTTPError, UnicodeError) as error:
            raise AirflowUnreachableError(f"Airflow does not answer at {self.url}: {error}.") from error
        return response

    def _log_in(self) -> None:
        try:
            response = self._http.post("/auth/token", json={"username": self.user, "password": self.password})
        except UnicodeError as error:
            raise InputError(
                "DAYDREAMING_AIRFLOW_URL must be an address that there can be, DAYDREAMING_AIRFLOW_USER and "
                f"DAYDREAMING_AIRFLOW_PASSWORD text in UTF-8; got the address {self.url!r}."
            ) from error
        except httpx.HTTPError as error:
            raise AirflowUnreachableError(
                f"Airflow does not answer at {self.url}: {error}. Start it with `daydreaming up`."
            ) from error
        if response.is_error:
            raise AirflowUnreachableError(
                f"Airflow at {self.url} does not accept user {self.user!r} ({response.status_code})."
            )
        self._http.headers["Authorization"] = f"Bearer {_json_object(response).get('access_token')}"


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        return dict(response.json())
    except (ValueError, TypeError) as error:
        raise AirflowUnreachableError(
            f"{response.url} does not answer as Airflow's API does: {_line(response.text)}. "
            "Check DAYDREAMING_AIRFLOW_URL."
        ) from error


def _of(reply: Mapping[str, Any], name: str, kind: type) -> Any:
    """A value of Airflow's answer."""
    value = reply.get(name)
    if not isinstance(value, kind):
        raise AirflowUnreachableError(
            f"The answer has no {name!r} as Airflow's has, but {_line(str(dict(reply)))}. "
            "Check DAYDREAMING_AIRFLOW_URL."
        )
    return value


def _last_error(content: object) -> str | None:
    """Of a task's log, as Airflow's API gives it: an object for each line."""
    lines = [line for line in content if isinstance(line, dict)] if isinstance(content, list) else []
    for line in reversed(lines):
        if line.get("level") not in ("error", "critical"):
            continue
        for detail in line.get("error_detail") or []:
            return _line(f"{detail.get('exc_type')}: {detail.get('exc_value')}")
        if line.get("event") not in _ENDINGS:
            return _line(str(line.get("event")))
    return None


def _detail(response: httpx.Response) -> str:
    try:
        return _line(str(response.json()["detail"]))
    except (ValueError, TypeError, KeyError):
        return _line(response.text)


def _line(text: str) -> str:
    """An answer may be a page of HTML."""
    return " ".join(text.split())[:_EXCERPT_CHARS]
