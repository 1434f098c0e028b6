"""What every route does with any input, and with anybody."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
import schemathesis
from airflow.api_fastapi.app import init_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.base_auth_manager import COOKIE_NAME_JWT_TOKEN
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings

from daydreaming.analysis import tables
from daydreaming.settings import Settings
from daydreaming.ui.access import visitor
from daydreaming.ui.app import create_app
from tests.support.experiments import make_settings
from tests.support.finished_root import make_finished_root
from tests.support.made_data import make_experiment
from tests.support.made_design import MadeDesign
from tests.support.site import address, known_values, operations
from tests.unit.ui.conftest import ADA

_TINY = MadeDesign(concepts=3, k_max=2, generation_templates=2, generation_models=2, generation_replicates=1)
#: Of experiments with every kind of run; those of the experiment ``made`` are all there.
_FEW_TABLES = ("final_results", "g_study", "judge_audit")
_REDIRECTS = (303, 307)
_PAGE = "text/html; charset=utf-8"
_EXAMPLES = settings(
    max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A data root that has seen all kinds of runs, as the environment names it."""
    folder: Path = tmp_path_factory.mktemp("root")
    made = make_settings(folder)
    with patch.object(tables, "ANALYSES", {name: tables.ANALYSES[name] for name in _FEW_TABLES}):
        make_finished_root(made, folder)
    make_experiment(made, _TINY, with_tables=True)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DAYDREAMING_DATA_ROOT", str(made.data_root))
        environment.setenv("DAYDREAMING_INPUTS_ROOT", str(made.inputs_root))
        yield made


@pytest.fixture(scope="module")
def app(root: Settings) -> FastAPI:
    """The pages for a user who may rate, with their schema at a known place."""
    made = create_app()
    made.dependency_overrides[visitor] = lambda: ADA
    made.add_api_route("/schema.json", made.openapi, include_in_schema=False)
    return made


@pytest.fixture(scope="module")
def api(app: FastAPI) -> schemathesis.BaseSchema:
    """What every route takes, as it says itself."""
    return schemathesis.openapi.from_asgi("/schema.json", app)


@pytest.fixture(scope="module")
def known(root: Settings) -> dict[str, str]:
    """Parameters that mean something there."""
    return known_values(root, "made")


@pytest.mark.parametrize(("method", "path"), list(operations(create_app())))
def test_no_input_is_a_server_error(
    api: schemathesis.BaseSchema, known: dict[str, str], method: str, path: str
) -> None:
    @_EXAMPLES
    @given(case=api[path][method].as_strategy())
    def check(case: schemathesis.Case) -> None:
        _check_page(case.call())
        # Nearly all of what is generated is unknown: the same once more of an experiment that is there.
        for given_values in (case.path_parameters, case.query):
            given_values.update({name: known[name] for name in given_values or {} if name in known})
        _check_page(case.call())

    check()


def _check_page(answer: schemathesis.Response) -> None:
    assert answer.status_code < 500
    if answer.status_code not in _REDIRECTS:
        assert answer.headers["content-type"] == [_PAGE]


#: Name and role of users as Airflow's own auth manager has them; a viewer may read, and nothing else.
_USERS = {"nobody": None, "stranger": "", "viewer": "viewer", "user": "user"}


@pytest.fixture(scope="module")
def tokens(airflow_tables: None) -> Iterator[dict[str, str]]:
    """What a login gives, by user."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "0123456789abcdef" * 4)
        manager = init_auth_manager()
        yield {
            name: manager.generate_jwt(
                SimpleAuthManagerUser(username=name, role=role), expiration_time_in_seconds=600
            )
            for name, role in _USERS.items()
            if role is not None
        }
    purge_cached_app()


@pytest.fixture(scope="module")
def airflow_tables() -> None:
    """Those that Airflow asks who somebody is."""
    from airflow.models.base import Base  # noqa: TID251 - no DAG is written here
    from airflow.settings import engine

    names = ("revoked_token", "team", "dag_bundle", "dag_bundle_team", "dag")
    Base.metadata.create_all(engine, tables=[Base.metadata.tables[name] for name in names])


@pytest.fixture
def ask(root: Settings, tokens: dict[str, str]) -> Callable[[str, str, str], int]:
    """Status of a request that a user makes with the cookie of a login; ``nobody`` has none."""
    app = create_app()

    def send(user: str, method: str, path: str) -> int:
        cookies = {COOKIE_NAME_JWT_TOKEN: tokens[user]} if user in tokens else {}
        site = TestClient(app, base_url="http://127.0.0.1", root_path="/daydreaming", cookies=cookies)
        return site.request(method, path, follow_redirects=False).status_code

    return send


def test_no_page_is_there_without_a_login(ask, app: FastAPI, known: dict[str, str]) -> None:
    assert {ask("nobody", method, address(path, known)) for method, path in operations(app)} == {401}


def test_no_page_is_there_for_who_may_not_read_the_dag(ask, app: FastAPI, known: dict[str, str]) -> None:
    assert {ask("stranger", method, address(path, known)) for method, path in operations(app)} == {403}


def test_who_may_only_read_writes_nothing(ask, app: FastAPI, known: dict[str, str]) -> None:
    writes = [(method, path) for method, path in operations(app) if method != "GET"]
    assert {ask("viewer", method, address(path, known)) for method, path in writes} <= {403}
    assert ask("viewer", "GET", "/") == 200


def test_a_broken_token_lets_nobody_in(ask, tokens: dict[str, str]) -> None:
    tokens["forger"] = tokens["user"][:-4] + "AAAA"
    assert ask("forger", "GET", "/") in (401, 403)
