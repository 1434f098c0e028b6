"""A bucket or a disk that refuses for a while costs time, and neither an answer nor a second call."""

from __future__ import annotations

import errno
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from airflow.triggers.base import TaskSuccessEvent

from daydreaming.objects import bucket
from daydreaming.objects.path import ObjectPath
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.results import read_responses
from daydreaming.triggers import desk, storing
from tests.support.experiments import planned_run
from tests.support.s3 import use_server
from tests.support.trigger_runs import cell_id, drive, failure_of
from tests.unit.triggers.test_call_desk import read_calls

pytestmark = pytest.mark.usefixtures("connected", "impatient")


@pytest.fixture
def far(settings: Settings, s3, postgres, migrated_template, monkeypatch) -> Iterator[Settings]:
    """A planned run whose data root is a bucket; its client does not try again by itself."""
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    use_server(monkeypatch, s3.environment())
    root = s3.new_root()
    with postgres.database(migrated_template) as uri:
        monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(root))
        monkeypatch.setenv("AIRFLOW_CONN_DAYDREAMING_RESULTS", uri)
        made = replace(settings, data_root=root, results_conn=uri)
        planned_run(made)
        yield made
        for engine in (engine_for(made), writing_engine(made)):
            engine.dispose()


def test_an_answer_waits_until_the_store_is_back_and_is_paid_for_once(far, s3_server, simulator, monkeypatch):
    monkeypatch.setattr(storing, "FIRST_WAIT_S", 0.3)
    store, tried = desk.store_answer, []

    with ExitStack() as stack:

        def while_it_is_down(*args, **kwargs):
            tried.append(threading.current_thread().name)
            if len(tried) == 1:
                stack.enter_context(s3_server.outage())
            elif len(tried) == 3:
                stack.close()
            return store(*args, **kwargs)

        monkeypatch.setattr(desk, "store_answer", while_it_is_down)
        assert type(drive()) is TaskSuccessEvent
    assert len(tried) == 3
    assert simulator.stats()["calls"] == 1
    engine, files = engine_for(far), DataRoot(far.data_root)
    cell = cell_id(engine)
    assert files.read_provenance("generation", cell)["attempts"] == 1
    assert files.read_response("generation", cell)
    assert [row["state"] for row in read_calls(engine)] == ["answered"]
    assert len(read_responses(engine, "generation")) == 1


@pytest.mark.parametrize("number", ["ENOSPC", "EDQUOT", "EMFILE", "EIO", "ESTALE", "ENOLCK", "EROFS"])
def test_an_answer_waits_until_the_disk_takes_it_and_is_paid_for_once(
    settings, simulator, monkeypatch, number
):
    monkeypatch.setattr(storing, "FIRST_WAIT_S", 0.02)
    planned_run(settings)
    store, tried = desk.store_answer, []

    def while_it_refuses(*args, **kwargs):
        tried.append(number)
        if len(tried) < 3:
            raise OSError(getattr(errno, number), "refused")
        return store(*args, **kwargs)

    monkeypatch.setattr(desk, "store_answer", while_it_refuses)
    assert type(drive()) is TaskSuccessEvent
    assert (len(tried), simulator.stats()["calls"]) == (3, 1)
    assert [row["state"] for row in read_calls(engine_for(settings))] == ["answered"]


def test_an_answer_that_no_disk_takes_for_an_hour_is_given_up_and_not_bought_again_by_itself(
    settings, simulator, monkeypatch
):
    monkeypatch.setattr(storing, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(storing, "GIVEN_UP_AFTER_S", 0.1)
    planned_run(settings)

    def read_only(*args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(desk, "store_answer", read_only)
    error_class, is_transient, message = failure_of(drive())
    assert (error_class, is_transient, simulator.stats()["calls"]) == ("StoreError", False, 1)
    assert message.startswith("The answer could not be stored for ")
    assert "Read-only file system" in message
    assert [row["state"] for row in read_calls(engine_for(settings))] == ["unknown"]


def test_a_key_that_is_corrected_in_the_connection_is_read_anew(far, s3, simulator, monkeypatch):
    monkeypatch.setattr(storing, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(bucket, "_ANEW_AFTER_S", 0.0)
    store, tried = desk.store_answer, []
    root = ObjectPath(f"s3://dream_store@{s3.bucket}/{far.data_root.key}")
    monkeypatch.setenv("DAYDREAMING_DATA_ROOT", str(root))
    monkeypatch.setenv("AIRFLOW_CONN_DREAM_STORE", json.dumps(s3.connection("tests")))

    def as_a_stranger_first(*args, **kwargs):
        tried.append(1)
        user = "stranger" if len(tried) == 1 else "tests"
        monkeypatch.setenv("AIRFLOW_CONN_DREAM_STORE", json.dumps(s3.connection(user)))
        if user == "stranger":
            bucket._opened.clear()  # as if the key had been withdrawn
        return store(*args, **kwargs)

    monkeypatch.setattr(desk, "store_answer", as_a_stranger_first)
    assert type(drive()) is TaskSuccessEvent
    assert (len(tried), simulator.stats()["calls"]) == (2, 1)


def test_an_answer_that_no_store_takes_for_an_hour_is_given_up_and_not_bought_again_by_itself(
    far, s3_server, simulator, monkeypatch
):
    monkeypatch.setattr(storing, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(storing, "GIVEN_UP_AFTER_S", 0.5)
    store = desk.store_answer
    with ExitStack() as stack:

        def while_it_is_down(*args, **kwargs):
            stack.enter_context(s3_server.outage())
            monkeypatch.setattr(desk, "store_answer", store)
            return store(*args, **kwargs)

        monkeypatch.setattr(desk, "store_answer", while_it_is_down)
        error_class, is_transient, message = failure_of(drive())
    assert (error_class, is_transient, simulator.stats()["calls"]) == ("StoreError", False, 1)
    assert message.startswith("The answer could not be stored for ")
    assert "cannot be reached" in message
    assert [row["state"] for row in read_calls(engine_for(far))] == ["unknown"]


def test_a_store_that_is_down_before_the_call_is_tried_again_and_costs_nothing(far, s3_server, simulator):
    with s3_server.outage():
        error_class, is_transient, message = failure_of(drive())
    assert (error_class, is_transient) == ("ObjectStoreError", True)
    assert "cannot be reached" in message
    assert "\n" not in message
    assert simulator.stats()["calls"] == 0
    event = drive()
    assert type(event) is TaskSuccessEvent, event.payload["message"]
    assert simulator.stats()["calls"] == 1
