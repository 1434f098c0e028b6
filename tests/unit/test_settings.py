from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.errors import InputError
from daydreaming.settings import DEFAULT_POOLS, Settings, project_root


def test_an_empty_environment_gives_the_defaults():
    settings = Settings.from_env({})
    root = project_root() / "data"
    assert settings == Settings(root, root)
    assert settings.dispatch == "pool"
    assert settings.pools == DEFAULT_POOLS


def test_variables_that_are_set_to_nothing_count_as_unset():
    names = ("INPUTS_ROOT", "DATA_ROOT", "DISPATCH", "POOLS", "NIGHTLY_SCHEDULE", "CALL_ATTEMPTS")
    assert Settings.from_env({f"DAYDREAMING_{name}": "" for name in names}) == Settings.from_env({})


def test_every_variable_is_read():
    settings = Settings.from_env(
        {
            "DAYDREAMING_INPUTS_ROOT": "/in",
            "DAYDREAMING_DATA_ROOT": "/out",
            "AIRFLOW_CONN_DAYDREAMING_RESULTS": "postgresql://u:p@h/d",
            "DAYDREAMING_DISPATCH": "triggerer",
            "DAYDREAMING_POOLS": "llm_free=2, other = 5".replace(" = ", "="),
            "DAYDREAMING_NIGHTLY_SCHEDULE": "0 3 * * *",
            "DAYDREAMING_CALL_ATTEMPTS": "7",
            "DAYDREAMING_CALL_TIMEOUT_S": "12.5",
            "DAYDREAMING_TASK_RETRIES": "0",
            "DAYDREAMING_RETRY_DELAY_S": "90",
        }
    )
    assert settings == Settings(
        inputs_root=Path("/in"),
        data_root=Path("/out"),
        results_conn="postgresql://u:p@h/d",
        dispatch="triggerer",
        pools={**DEFAULT_POOLS, "llm_free": 2, "other": 5},
        nightly_schedule="0 3 * * *",
        call_attempts=7,
        call_timeout_s=12.5,
        task_retries=0,
        retry_delay=timedelta(seconds=90),
    )


def test_without_a_mapping_the_process_environment_is_read(monkeypatch):
    monkeypatch.setenv("DAYDREAMING_CALL_ATTEMPTS", "9")
    assert Settings.from_env().call_attempts == 9


def test_a_relative_data_root_is_made_absolute(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert Settings.from_env({"DAYDREAMING_DATA_ROOT": "out"}).data_root == tmp_path / "out"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "DAYDREAMING_DATA_ROOT",
            "s3://bucket/data",
            "must be a local folder for now; got 's3://bucket/data'",
        ),
        ("DAYDREAMING_DISPATCH", "worker", "must be pool or triggerer; got 'worker'"),
        ("DAYDREAMING_POOLS", "llm_free", "NAME=SLOTS.*got 'llm_free'"),
        ("DAYDREAMING_POOLS", "llm_free=0", "slots at least 1; got 'llm_free=0'"),
        ("DAYDREAMING_POOLS", "=3", "got '=3'"),
        ("DAYDREAMING_POOLS", "llm_free=-1,llm_paid=2", "got 'llm_free=-1'"),
        ("DAYDREAMING_CALL_ATTEMPTS", "none", "must be a whole number from 1 to 1000; got 'none'"),
        ("DAYDREAMING_CALL_ATTEMPTS", "0", "must be a whole number from 1"),
        ("DAYDREAMING_CALL_ATTEMPTS", "2.5", "must be a whole number"),
        ("DAYDREAMING_CALL_ATTEMPTS", "5000", "from 1 to 1000; got '5000'"),
        ("DAYDREAMING_TASK_RETRIES", "-1", "must be a whole number from 0"),
        ("DAYDREAMING_CALL_TIMEOUT_S", "nan", "must be a number of seconds from 1 to 604800; got 'nan'"),
        ("DAYDREAMING_CALL_TIMEOUT_S", "inf", "got 'inf'"),
        ("DAYDREAMING_RETRY_DELAY_S", "1e300", "got '1e300'"),
    ],
)
def test_a_value_that_is_not_allowed_is_an_input_error_that_names_the_variable(name, value, message):
    with pytest.raises(InputError, match=message) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(name)


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError) as caught:
        Settings.from_env(
            {"DAYDREAMING_DISPATCH": "x", "DAYDREAMING_POOLS": "a,b", "DAYDREAMING_TASK_RETRIES": "y"}
        )
    assert len(caught.value.problems) == 4
