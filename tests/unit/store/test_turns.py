"""Turns: one at a time, on a disk and on an object store."""

from __future__ import annotations

import threading

import pytest

from daydreaming.objects.path import ObjectPath
from daydreaming.store.turns import hold_turn


@pytest.fixture(params=["local", "bucket"])
def lock(request, tmp_path):
    """Where the lock is, and the results database; no bucket is needed to take its name."""
    if request.param == "local":
        return tmp_path / "a" / ".lock", ""
    postgres = request.getfixturevalue("postgres")
    return ObjectPath(f"s3://dreams/{tmp_path.name}/.lock"), postgres.uri("postgres")


def test_another_waits_until_the_turn_is_over(lock):
    events, entered = [], threading.Event()

    def other():
        with hold_turn(*lock):
            events.append("other")

    with hold_turn(*lock):
        thread = threading.Thread(target=lambda: (entered.set(), other()))
        thread.start()
        entered.wait()
        thread.join(0.3)
        events.append("first")
    thread.join()
    assert events == ["first", "other"]


def test_who_does_not_want_to_wait_is_told(lock):
    told = []

    def other():
        with pytest.raises(TimeoutError), hold_turn(*lock, timeout_s=0):
            pass
        told.append(True)

    with hold_turn(*lock, timeout_s=0):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert told == [True]
    with hold_turn(*lock, timeout_s=0):
        pass


def test_a_thread_that_holds_it_may_enter_again(lock):
    with hold_turn(*lock, timeout_s=0), hold_turn(*lock, timeout_s=0):
        pass
    with hold_turn(*lock, timeout_s=0):
        pass


def test_a_turn_ends_with_what_failed_in_it(lock):
    with pytest.raises(KeyError), hold_turn(*lock):
        raise KeyError
    with hold_turn(*lock, timeout_s=0):
        pass


def test_turns_of_other_names_are_free(lock):
    path, results_conn = lock
    with hold_turn(path, results_conn), hold_turn(path.with_name(".other"), results_conn, timeout_s=0):
        pass


def test_the_turn_is_of_the_objects_whichever_connection_opens_their_bucket(postgres):
    results_conn = postgres.uri("postgres")
    told = []

    def other():
        path = ObjectPath("s3://my_store@dreams/demo/.lock")
        with pytest.raises(TimeoutError), hold_turn(path, results_conn, timeout_s=0):
            pass
        told.append(True)

    with hold_turn(ObjectPath("s3://dreams/demo/.lock"), results_conn, timeout_s=0):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert told == [True]
