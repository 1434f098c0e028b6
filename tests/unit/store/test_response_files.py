"""Response files: write-once, whole, archived and restored."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from daydreaming.errors import StoreError
from daydreaming.objects.bucket import Bucket
from daydreaming.store.files import DataRoot, file_sizes, write_whole

CELL = "combo_v1_0123456789ab_essay_free"
STAGES = ("generation", "evaluation")


@pytest.fixture
def local_files(tmp_path):
    return DataRoot(tmp_path)


@pytest.fixture
def bucket_files(s3, postgres):
    """A data root on an object store; the database gives the turns."""
    return DataRoot(s3.new_root(), postgres.uri("postgres"))


@pytest.fixture(params=["local_files", "bucket_files"])
def files(request):
    return request.getfixturevalue(request.param)


def write(files, text="An answer.", cell=CELL, **record):
    return files.write_response("generation", cell, text, record)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (lambda f: f.prompt("generation", "x"), "03_generation/generation_prompts/x.txt"),
        (lambda f: f.response("generation", "x"), "03_generation/generation_responses/x.txt"),
        (lambda f: f.provenance("generation", "x"), "03_generation/generation_responses/x.json"),
        (lambda f: f.essay("x"), "03_generation/parsed_generation_responses/x.txt"),
        (lambda f: f.prompt("evaluation", "x"), "04_evaluation/evaluation_prompts/x.txt"),
        (lambda f: f.response("evaluation", "x.y"), "04_evaluation/evaluation_responses/x.y.txt"),
        (lambda f: f.provenance("evaluation", "x.y"), "04_evaluation/evaluation_responses/x.y.json"),
        (lambda f: f.archived("evaluation", "x", "ab"), "archive/04_evaluation/x/ab.txt"),
        (lambda f: f.archived("evaluation", "x", ""), "archive/04_evaluation/x/unknown.txt"),
        (lambda f: f.tasks("e"), "02_tasks/e"),
        (lambda f: f.parsing("e"), "05_parsing/e"),
        (lambda f: f.summary("e"), "06_summary/e"),
        (lambda f: f.cross_experiment(), "07_cross_experiment"),
        (lambda f: f.reporting("e"), "07_reporting/e"),
        (lambda f: f.combo_mappings(), "combo_mappings.csv"),
    ],
)
def test_each_file_has_its_place_below_the_data_root(files, path, name):
    assert files.relative(path(files)) == name


def test_an_answer_is_stored_with_its_record_and_read_back_unchanged(files):
    text = "Zeilen\r\nund\u2028Umlaute: äöü 🙂\n\n"
    assert write(files, text, request_hash="h", cost_usd=None)
    assert files.is_answered("generation", CELL)
    assert files.read_response("generation", CELL) == text
    assert files.read_provenance("generation", CELL) == {"request_hash": "h", "cost_usd": None}
    assert not files.is_answered("evaluation", CELL)


def test_a_stored_answer_and_its_record_are_never_overwritten(files):
    assert write(files, "first", request_hash="1")
    assert not write(files, "second", request_hash="2")
    assert files.read_response("generation", CELL) == "first"
    assert files.read_provenance("generation", CELL) == {"request_hash": "1"}


def test_the_longest_id_can_be_stored_and_archived(files):
    cell = "x" * 250
    assert write(files, cell=cell, request_hash="h" * 64)
    files.archive_response("generation", cell, "h" * 64)
    assert files.restore_response("generation", cell, "h" * 64)
    assert files.answered_ids("generation") == {cell}


def test_one_of_many_threads_stores_its_answer_with_its_own_record(files):
    start = threading.Barrier(16)

    def race(number):
        start.wait()
        return write(files, f"{number}" * 20_000, number=number)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(race, range(16)))
    assert sum(won) == 1
    winner = won.index(True)
    assert files.read_response("generation", CELL) == f"{winner}" * 20_000
    assert files.read_provenance("generation", CELL) == {"number": winner}


RACER = """
import sys
from pathlib import Path
from daydreaming.store.files import DataRoot
files, number = DataRoot(Path(sys.argv[1])), sys.argv[2]
print("ready", flush=True)
sys.stdin.readline()
wins = [
    files.write_response("generation", f"cell-{i}", number * 50_000, {"number": number}) for i in range(30)
]
print("".join("1" if won else "0" for won in wins), flush=True)
"""


def test_one_of_several_processes_stores_each_answer_whole_and_with_its_own_record(local_files):
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(local_files.path), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(4)
    ]
    assert [racer.stdout.readline().strip() for racer in racers] == ["ready"] * 4
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    wins = [racer.communicate()[0].strip() for racer in racers]
    for index in range(30):
        winners = [number for number, won in enumerate(wins) if won[index] == "1"]
        assert len(winners) == 1
        assert local_files.read_response("generation", f"cell-{index}") == f"{winners[0]}" * 50_000
        assert local_files.read_provenance("generation", f"cell-{index}") == {"number": str(winners[0])}
    assert len(local_files.answered_ids("generation")) == 30


def test_a_reader_never_sees_half_a_file_while_it_is_replaced(tmp_path):
    path, done = tmp_path / "table.csv", threading.Event()
    sizes = (200_000, 400_000)
    write_whole(path, "x" * sizes[0])
    seen = set()

    def read():
        while not done.is_set():
            seen.add(len(path.read_text()))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        write_whole(path, "x" * sizes[number % 2])
    done.set()
    reader.join()
    assert seen <= set(sizes)


def test_a_crash_between_record_and_text_leaves_the_cell_unanswered(local_files, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", crash)
        with pytest.raises(KeyboardInterrupt):
            write(local_files, "lost", request_hash="old")
    assert local_files.provenance("generation", CELL).exists()
    assert not local_files.is_answered("generation", CELL)
    assert local_files.answered_ids("generation") == set()
    assert write(local_files, "found", request_hash="new")
    assert local_files.read_response("generation", CELL) == "found"
    assert local_files.read_provenance("generation", CELL) == {"request_hash": "new"}


def test_an_answer_that_cannot_be_written_leaves_nothing_behind(files):
    with pytest.raises(UnicodeEncodeError):
        write(files, "lone \ud800 surrogate")
    assert not files.is_answered("generation", CELL)
    assert list(files.response("generation", CELL).parent.iterdir()) == []


def test_a_file_that_cannot_be_replaced_stays_as_it_was(tmp_path):
    path = tmp_path / "a" / "b.txt"
    write_whole(path, "old\r\n")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_bytes() == b"old\r\n"
    assert list(path.parent.iterdir()) == [path]


def test_answered_ids_are_those_of_texts_that_are_finished(files):
    assert files.answered_ids("generation") == set()
    for cell in ("a", "b.c", "txt.txt"):
        write(files, cell=cell)
    folder = files.response("generation", "x").parent
    (folder / ".~0123abcd").write_text("half")
    (folder / ".~0123.txt").write_text("half")
    (folder / "d.json").write_text("{}")
    (folder / "e.txt.swp").write_text("an editor's")
    assert files.answered_ids("generation") == {"a", "b.c", "txt.txt"}
    assert files.answered_ids("evaluation") == set()


def test_sizes_are_those_of_the_files_that_are_there(files):
    write(files, "vier", cell="a")
    write(files, "ü", cell="b")
    folder = files.response("generation", "x").parent
    assert file_sizes(folder, ["a.txt", "b.txt", "none.txt"]) == {"a.txt": 4, "b.txt": 2}
    assert file_sizes(folder / "none", ["a.txt"]) == {}


def test_a_text_that_a_person_deleted_is_unanswered(files):
    write(files)
    files.response("generation", CELL).unlink()
    assert not files.is_answered("generation", CELL)
    assert files.answered_ids("generation") == set()
    with pytest.raises(StoreError, match=f"{CELL}.txt: missing"):
        files.read_response("generation", CELL)
    assert write(files, "again")


def test_a_text_that_a_person_brought_has_an_empty_record(files):
    write_whole(files.response("generation", CELL), "mine")
    assert files.read_provenance("generation", CELL) == {}
    assert not write(files, "bought")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1]", "must hold a JSON object; got list"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"prompt_tokens": "many"}', "prompt_tokens must be a whole number; got 'many'. Restore it, or"),
    ],
)
def test_a_damaged_record_is_a_store_error_that_names_the_file(files, data, message):
    write(files)
    files.provenance("generation", CELL).write_bytes(data)
    with pytest.raises(StoreError, match=f"{CELL}.json: {message}"):
        files.read_provenance("generation", CELL)


def test_a_text_in_another_encoding_is_a_store_error_that_names_the_file(files):
    write(files)
    files.response("generation", CELL).write_bytes(b"caf\xe9")
    with pytest.raises(StoreError, match=r"txt: not UTF-8 \(byte 3\)\. Delete it"):
        files.read_response("generation", CELL)


@pytest.mark.parametrize("stage", STAGES)
def test_an_archived_answer_comes_back_as_it_was(files, stage):
    files.write_response(stage, CELL, "first", {"request_hash": "h1"})
    target = files.archive_response(stage, CELL, "h1")
    assert target == files.archived(stage, CELL, "h1")
    assert not files.is_answered(stage, CELL)
    assert not files.provenance(stage, CELL).exists()
    files.write_response(stage, CELL, "second", {"request_hash": "h2"})
    files.archive_response(stage, CELL, "h2")
    assert files.restore_response(stage, CELL, "h1")
    assert files.read_response(stage, CELL) == "first"
    assert files.read_provenance(stage, CELL) == {"request_hash": "h1"}
    assert not files.archived(stage, CELL, "h1").exists()
    assert files.archived(stage, CELL, "h2").read_text() == "second"
    assert json.loads(files.archived(stage, CELL, "h2").with_suffix(".json").read_text()) == {
        "request_hash": "h2"
    }


def test_what_was_not_archived_cannot_be_restored(files):
    assert not files.restore_response("generation", CELL, "h1")
    assert not files.is_answered("generation", CELL)


def test_restoring_never_replaces_an_answer_that_is_there(files):
    write(files, "old", request_hash="h1")
    files.archive_response("generation", CELL, "h1")
    write(files, "new", request_hash="h2")
    assert not files.restore_response("generation", CELL, "h1")
    assert files.read_response("generation", CELL) == "new"
    assert files.archived("generation", CELL, "h1").exists()


def test_archiving_what_another_process_has_moved_changes_nothing(files):
    write(files, "old", request_hash="h1")
    files.archive_response("generation", CELL, "h1")
    files.archive_response("generation", CELL, "h1")
    assert files.archived("generation", CELL, "h1").read_text() == "old"
    assert files.archived("generation", CELL, "h1").with_suffix(".json").exists()


def test_archiving_leaves_another_answer_than_was_meant(files):
    write(files, "old", request_hash="h1")
    files.archive_response("generation", CELL, "h1")
    # Another process brought it while this one still meant the old one.
    write(files, "new", request_hash="h2")
    files.archive_response("generation", CELL, "h1")
    assert files.read_response("generation", CELL) == "new"
    assert files.read_provenance("generation", CELL) == {"request_hash": "h2"}
    assert files.archived("generation", CELL, "h1").read_text() == "old"
    assert files.read_archived_provenance("generation", CELL, "h1") == {"request_hash": "h1"}


def test_archiving_leaves_a_text_without_a_record(files):
    write_whole(files.response("generation", CELL), "mine")
    files.archive_response("generation", CELL, "h1")
    assert files.read_response("generation", CELL) == "mine"
    assert files.archived_ids("generation") == []


def test_a_crash_while_archiving_never_leaves_an_answer_without_its_record(local_files, monkeypatch):
    write(local_files, "old", request_hash="h1")
    response = local_files.response("generation", CELL)

    def crash(path, target):
        if path == response:
            raise KeyboardInterrupt
        return path.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(type(response), "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            local_files.archive_response("generation", CELL, "h1")
    assert local_files.read_provenance("generation", CELL) == {"request_hash": "h1"}
    local_files.archive_response("generation", CELL, "h1")
    assert local_files.restore_response("generation", CELL, "h1")
    assert local_files.read_provenance("generation", CELL) == {"request_hash": "h1"}


def test_a_crash_while_restoring_is_made_good_by_the_next_try(local_files, monkeypatch):
    write(local_files, "old", request_hash="h1")
    source = local_files.archive_response("generation", CELL, "h1")

    def crash(path, target):
        if path == source:
            raise KeyboardInterrupt
        return path.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(type(source), "replace", crash)
        with pytest.raises(KeyboardInterrupt):
            local_files.restore_response("generation", CELL, "h1")
    assert not local_files.is_answered("generation", CELL)
    assert local_files.restore_response("generation", CELL, "h1")
    assert local_files.read_response("generation", CELL) == "old"
    assert local_files.read_provenance("generation", CELL) == {"request_hash": "h1"}


def test_one_of_many_threads_restores_an_archived_answer(files):
    write(files, "old", request_hash="h1")
    files.archive_response("generation", CELL, "h1")
    start = threading.Barrier(8)

    def race(_):
        start.wait()
        return files.restore_response("generation", CELL, "h1")

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(race, range(8))) == 1
    assert files.read_response("generation", CELL) == "old"
    assert files.read_provenance("generation", CELL) == {"request_hash": "h1"}


BUCKET_RACER = """
import sys
from daydreaming.objects.path import ObjectPath
from daydreaming.store.files import DataRoot
files, number = DataRoot(ObjectPath(sys.argv[1]), sys.argv[3]), sys.argv[2]
files.is_answered("generation", "any")
print("ready", flush=True)
sys.stdin.readline()
wins = [
    files.write_response("generation", f"cell-{i}", number * 50_000, {"number": number}) for i in range(8)
]
print("".join("1" if won else "0" for won in wins), flush=True)
"""


def test_one_of_two_processes_stores_each_answer_in_the_bucket_with_its_own_record(bucket_files):
    racers = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                BUCKET_RACER,
                str(bucket_files.path),
                str(number),
                bucket_files.results_conn,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for racer in racers:
        while racer.stdout.readline().strip() != "ready":
            pass
    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()
    wins = [racer.communicate()[0].strip().splitlines()[-1] for racer in racers]
    for index in range(8):
        winners = [number for number, won in enumerate(wins) if won[index] == "1"]
        assert len(winners) == 1
        assert bucket_files.read_response("generation", f"cell-{index}") == f"{winners[0]}" * 50_000
        record = bucket_files.read_provenance("generation", f"cell-{index}")
        assert record == {"number": str(winners[0])}
    assert len(bucket_files.answered_ids("generation")) == 8


def test_a_call_that_was_killed_between_record_and_text_leaves_the_cell_unanswered(bucket_files):
    write_whole(bucket_files.provenance("generation", CELL), '{"request_hash": "old"}')
    assert not bucket_files.is_answered("generation", CELL)
    assert write(bucket_files, "found", request_hash="new")
    assert bucket_files.read_response("generation", CELL) == "found"
    assert bucket_files.read_provenance("generation", CELL) == {"request_hash": "new"}


def test_who_finds_another_text_at_the_last_moment_puts_its_record_back(bucket_files, monkeypatch):
    write(bucket_files, "first", request_hash="1")
    # As if it had come after the look: one whose turn was lost with its connection.
    monkeypatch.setattr(Bucket, "info", lambda *_: None)
    assert not write(bucket_files, "second", request_hash="2")
    assert bucket_files.read_response("generation", CELL) == "first"
    assert bucket_files.read_provenance("generation", CELL) == {"request_hash": "1"}


def test_a_put_that_was_sent_twice_counts_once(bucket_files, monkeypatch):
    put_new = Bucket.put_new

    def twice(bucket, key, data):
        put_new(bucket, key, data)
        return put_new(bucket, key, data) if key.endswith(".txt") else True

    monkeypatch.setattr(Bucket, "put_new", twice)
    assert write(bucket_files, "once", request_hash="1")
    assert bucket_files.read_response("generation", CELL) == "once"
    assert bucket_files.read_provenance("generation", CELL) == {"request_hash": "1"}


@pytest.mark.parametrize("removed", [0, 1])
def test_a_crash_while_an_answer_leaves_the_bucket_is_made_good_by_the_next_try(
    bucket_files, monkeypatch, removed
):
    write(bucket_files, "old", request_hash="h1")
    remove, done = Bucket.remove, []

    def crash(bucket, key):
        if len(done) == removed:
            raise KeyboardInterrupt
        done.append(key)
        remove(bucket, key)

    with monkeypatch.context() as patch:
        patch.setattr(Bucket, "remove", crash)
        with pytest.raises(KeyboardInterrupt):
            bucket_files.archive_response("generation", CELL, "h1")
    if bucket_files.is_answered("generation", CELL):
        assert bucket_files.read_provenance("generation", CELL) == {"request_hash": "h1"}
    bucket_files.archive_response("generation", CELL, "h1")
    assert bucket_files.restore_response("generation", CELL, "h1")
    assert bucket_files.read_response("generation", CELL) == "old"
    assert bucket_files.read_provenance("generation", CELL) == {"request_hash": "h1"}
