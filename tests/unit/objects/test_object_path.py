"""Paths on an object store behave as those of a folder, where they can; else they say so."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest

from daydreaming.errors import StoreError
from daydreaming.objects.path import ObjectPath, each_read_ahead, reading_ahead
from tests.support.s3 import use_server

ROOT = ObjectPath("s3://aws@dreams/one")


def test_a_path_is_written_as_its_url_and_taken_apart_as_any_path():
    path = ROOT / "03_generation" / "x.y.txt"
    assert str(path) == "s3://aws@dreams/one/03_generation/x.y.txt"
    assert (path.bucket_name, path.key) == ("dreams", "one/03_generation/x.y.txt")
    assert path.as_uri() == "s3://dreams/one/03_generation/x.y.txt"
    assert path.relative_to(ROOT).as_posix() == "03_generation/x.y.txt"
    assert path.with_suffix(".json").name == "x.y.json"
    assert path.parent.parent == ROOT
    assert ObjectPath(str(path)) == path
    assert {path: 1}[ROOT / "03_generation/x.y.txt"] == 1
    copied = pickle.loads(pickle.dumps(path))
    assert (type(copied), str(copied)) == (ObjectPath, str(path))


@pytest.mark.parametrize(
    "use",
    [
        os.fspath,
        open,
        os.listdir,
        lambda path: path.rename("x"),
        lambda path: path.touch(),
        lambda path: path.rmdir(),
        lambda path: path.chmod(0o600),
    ],
)
def test_what_would_ask_the_disk_of_this_machine_fails(use):
    with pytest.raises(TypeError, match="is on an object store: it has no name on this machine's disk"):
        use(ROOT)


def test_an_object_is_put_read_and_deleted(s3):
    path = s3.new_root() / "a b" / "ä%3A+.txt"
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        path.read_bytes()
    with pytest.raises(FileNotFoundError):
        path.unlink()
    path.unlink(missing_ok=True)
    path.write_text("one\r\ntwo\n")
    assert path.read_bytes() == b"one\r\ntwo\n"
    assert path.read_text(newline="") == "one\r\ntwo\n"
    with path.open(encoding="utf-8") as file:
        assert list(file) == ["one\n", "two\n"]
    assert path.is_file()
    assert path.parent.is_dir()
    assert not path.is_dir()
    assert not path.parent.is_file()
    path.unlink()
    assert not path.parent.exists()


def test_an_object_cannot_be_written_in_pieces(s3):
    with pytest.raises(ValueError, match="mode must be r or rb on an object store; got 'a'"):
        (s3.new_root() / "x").open("a")


def test_folders_list_what_is_in_them(s3):
    root = s3.new_root()
    for name in ("b.txt", "a.json", "x/1.txt", "x/deep/2.txt", "y/1.json"):
        (root / name).write_text(name)
    assert [path.name for path in root.iterdir()] == ["a.json", "b.txt", "x", "y"]
    assert root.listed() == (["a.json", "b.txt"], ["x", "y"])
    assert root.sizes() == {"a.json": 6, "b.txt": 5}
    assert list(root.glob("*.txt")) == [root / "b.txt"]
    assert list(root.glob("*/1.*")) == [root / "x/1.txt", root / "y/1.json"]
    assert list(root.files_below("*/*.txt")) == [root / "x/1.txt"]
    assert list((root / "none").iterdir()) == []


def test_lists_of_more_than_a_thousand_objects_are_whole(s3):
    root = s3.new_root()
    keys = {f"{s3.bucket}/{root.key}/{number}.txt": b"x" for number in range(1_005)}
    root.bucket._files.pipe(keys)
    assert len(root.names()) == 1_005


def test_a_changed_object_has_another_inode(s3):
    path = s3.new_root() / "x"
    path.write_text("one")
    first = path.stat()
    path.write_text("two")
    assert path.stat().st_ino != first.st_ino
    assert (first.st_size, path.stat().st_size) == (3, 3)
    with pytest.raises(FileNotFoundError):
        path.with_name("y").stat()


def test_a_new_object_never_replaces_one_that_is_there(s3):
    path = s3.new_root() / "x"
    assert path.bucket.put_new(path.key, b"one")
    assert not path.bucket.put_new(path.key, b"two")
    assert path.read_bytes() == b"one"


def test_an_object_says_when_its_content_came_to_be_until_it_is_put_anew(s3):
    path = s3.new_root() / "x"
    assert path.bucket.put_new(path.key, b"one", 1_234_567_890_123_456_789)
    assert path.stat().st_mtime_ns == 1_234_567_890_123_456_789
    path.bucket.copy(path.key, path.with_name("y").key)
    assert path.with_name("y").stat().st_mtime_ns == 1_234_567_890_123_456_789
    path.write_text("two")
    assert path.stat().st_mtime > 1_700_000_000


def test_what_was_read_ahead_needs_no_request(s3, monkeypatch):
    root = s3.new_root()
    for name in "abc":
        (root / name).write_text(name)
    with reading_ahead([root / "a", root / "b", root / "none", Path("/local")]):
        (root / "b").write_text("new")
        asked = []
        read = root.bucket._files.cat_file
        monkeypatch.setattr(root.bucket._files, "cat_file", lambda path: asked.append(path) or read(path))
        assert (root / "a").read_text() == "a"
        assert (root / "a").is_file()
        with pytest.raises(FileNotFoundError):
            (root / "none").read_bytes()
        assert asked == []
        assert (root / "b").read_text() == "new"
        assert (root / "c").read_text() == "c"
        assert len(asked) == 2
    assert (root / "a").read_text() == "a"
    assert len(asked) == 3


def test_many_items_are_read_ahead_in_their_order(s3, monkeypatch):
    root = s3.new_root()
    (root / "5").write_text("five")
    monkeypatch.setattr("daydreaming.objects.path._CHUNK", 4)
    seen = [(n, (root / str(n)).is_file()) for n in each_read_ahead(range(10), lambda n: [root / str(n)])]
    assert seen == [(number, number == 5) for number in range(10)]


def test_a_bucket_that_is_not_there_is_one_line(s3):
    with pytest.raises(StoreError, match=r"^s3://elsewhere: no such bucket\. Make it, or correct [^\n]*$"):
        ObjectPath("s3://elsewhere/x").read_bytes()


def test_a_connection_that_airflow_does_not_know_is_one_line(s3):
    said = r"^s3://nobody@dreams: Airflow connection 'nobody' is not defined\. [^\n]* AIRFLOW_CONN_NOBODY\.$"
    with pytest.raises(StoreError, match=said):
        ObjectPath("s3://nobody@dreams/x").read_bytes()


def test_a_connection_of_airflow_opens_the_bucket(s3, monkeypatch):
    for name in s3.environment():
        monkeypatch.delenv(name)
    monkeypatch.setenv(
        "AIRFLOW_CONN_DREAM_STORE",
        '{"conn_type": "aws", "login": "tests", "password": "tests-secret", '
        f'"extra": {{"endpoint_url": "{s3.url}", "region_name": "us-east-1"}}}}',
    )
    path = ObjectPath(f"s3://dream_store@{s3.bucket}/{s3.new_root().key}/x")
    path.write_text("through a connection")
    assert path.read_text() == "through a connection"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "refuses access"),
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses access"),
        ({"AWS_ACCESS_KEY_ID": "stranger", "AWS_SECRET_ACCESS_KEY": "stranger-secret"}, "refuses access"),
        ({"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9"}, "cannot be reached"),
    ],
)
def test_a_store_that_refuses_or_is_down_is_one_line_without_a_secret(s3, monkeypatch, change, message):
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    use_server(monkeypatch, {**s3.environment(), **change})
    with pytest.raises(StoreError, match=rf"^s3://dreams: the object store {message} [^\n]*$") as caught:
        (s3.new_root() / "x").is_file()
    assert "secret" not in str(caught.value)


def test_requests_after_a_refused_condition_are_tried_again(s3, monkeypatch):
    path = s3.new_root() / "x"
    error = OSError("busy")
    error.__cause__ = RefusalError("ConditionalRequestConflict")
    put, left = path.bucket._files.pipe_file, [error, error]

    def refuse(*args, **kwargs):
        if left:
            raise left.pop()
        return put(*args, **kwargs)

    monkeypatch.setattr(path.bucket._files, "pipe_file", refuse)
    assert path.bucket.put_new(path.key, b"one")
    left += [error] * 3
    with pytest.raises(StoreError, match="the object store failed"):
        path.bucket.put_new(path.with_name("y").key, b"one")


class RefusalError(Exception):
    """What a client of S3 raises."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


def test_a_forked_process_has_a_client_of_its_own(s3):
    path = s3.new_root() / "x"
    path.write_text("of the parent")
    child = os.fork()
    if not child:
        try:
            is_read = path.read_text() == "of the parent"
        finally:
            os._exit(not is_read)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
