from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.cli.rest import AirflowClient
from daydreaming.errors import InputError
from daydreaming.objects.path import ObjectPath
from daydreaming.settings import DEFAULT_POOLS, Settings, project_root
from daydreaming.store.database import turns_engine
from daydreaming.store.files import DataRoot


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
            "where SQLite cannot be: set AIRFLOW_CONN_DAYDREAMING_RESULTS to a PostgreSQL",
        ),
        ("DAYDREAMING_DATA_ROOT", "gs://bucket/data", "s3://BUCKET/FOLDER or.*got 'gs://bucket/data'"),
        ("DAYDREAMING_DATA_ROOT", "s3:///data", "s3://BUCKET/FOLDER or.*got 's3:///data'"),
        ("DAYDREAMING_DATA_ROOT", "s3://B_1/x", "got 's3://B_1/x'"),
        ("DAYDREAMING_DATA_ROOT", "s3://bucket/../x", "got 's3://bucket/../x'"),
        ("DAYDREAMING_DATA_ROOT", "s3://bucket/a?b", "got 's3://bucket/a.b'"),
        ("DAYDREAMING_DATA_ROOT", "s3://key:secret@bucket/x", "got 's3://key:…@bucket/x'"),
        ("DAYDREAMING_DATA_ROOT", "s3://key:sec/r@t@bucket/x", "got 's3://key:…@bucket/x'"),
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


@pytest.mark.parametrize(
    ("url", "bucket", "key"),
    [
        ("s3://dreams/team/one", "dreams", "team/one"),
        ("s3://dreams", "dreams", ""),
        ("s3://aws_default@dreams/one/", "dreams", "one"),
    ],
)
def test_a_data_root_may_be_on_an_object_store(url, bucket, key):
    root = Settings.from_env(
        {"DAYDREAMING_DATA_ROOT": url, "AIRFLOW_CONN_DAYDREAMING_RESULTS": "postgresql://u:p@h/d"}
    ).data_root
    assert isinstance(root, ObjectPath)
    assert (root.bucket_name, root.key, str(root)) == (bucket, key, url.rstrip("/"))


def test_an_object_store_without_its_provider_is_refused(monkeypatch):
    monkeypatch.setattr("daydreaming.settings.has_s3_provider", lambda: False)
    with pytest.raises(InputError, match=r"not installed: pip install .* -r requirements-s3\.lock"):
        Settings.from_env(
            {"DAYDREAMING_DATA_ROOT": "s3://dreams", "AIRFLOW_CONN_DAYDREAMING_RESULTS": "postgresql://h/d"}
        )


def test_what_can_be_made_again_is_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    local, bucket = Path("/out"), ObjectPath("s3://dreams/one")
    assert Settings(Path("/in"), local).cache_folder == Path("/out/cache")
    far = Settings(Path("/in"), bucket).cache_folder
    assert far.parent == tmp_path / "home" / "daydreaming"
    assert Settings(Path("/in"), bucket / "two").cache_folder != far
    given = Settings.from_env({"DAYDREAMING_CACHE_DIR": "/cache"}).cache_folder
    assert given.parent == Path("/cache")


def test_settings_shown_hold_no_password():
    secret = "pw-very-secret-0123"
    settings = Settings.from_env({"AIRFLOW_CONN_DAYDREAMING_RESULTS": f"postgresql://me:{secret}@db/r"})
    shown = (
        settings,
        DataRoot(settings.data_root, settings.results_conn),
        turns_engine(settings.results_conn),
    )
    assert secret in settings.results_conn
    assert not [text for thing in shown for text in (repr(thing), str(thing)) if secret in text]


def test_a_client_of_airflow_shown_holds_no_password(monkeypatch):
    monkeypatch.setattr(AirflowClient, "_log_in", lambda _: None)
    assert "pw-very-secret" not in repr(AirflowClient("http://127.0.0.1:1", "ada", "pw-very-secret-0123"))
