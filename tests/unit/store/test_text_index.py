"""The search index: what it finds, how it grows, and what it bears."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from daydreaming.errors import StoreError
from daydreaming.store import text_index
from daydreaming.store.search_terms import match_expression
from daydreaming.store.text_index import LOOK_EVERY_S, PARTS, DocumentKey, IndexState, Source, TextIndex

NOW = datetime(2026, 3, 1, tzinfo=UTC)


class Texts:
    """Documents that can be changed, and how often each was read."""

    def __init__(self, **verdicts: str) -> None:
        self.documents: dict[DocumentKey, Mapping[str, str]] = {
            DocumentKey("verdict", name): {"verdict": text} for name, text in verdicts.items()
        }
        self.read: list[str] = []
        self.looks = 0

    def source(self, stamp: str = "") -> Source:
        def list_all():
            self.looks += 1
            return {key: str(hash(tuple(parts.items()))) for key, parts in self.documents.items()}

        def read(key, _version):
            self.read.append(key.cell_id)
            return self.documents[key]

        return Source(stamp or str(len(self.documents)), list_all, read)


def update(index, texts, *, stamp="", now=NOW, documents=100, chars=10**9):
    return index.update(texts.source(stamp), now, max_documents=documents, max_chars=chars)


def found(index, typed, parts=PARTS, *, limit=10, offset=0):
    hits, total = index.search(match_expression(typed), parts, limit=limit, offset=offset)
    return sorted(hit.key.cell_id for hit in hits), total


@pytest.fixture
def index(tmp_path: Path) -> TextIndex:
    return TextIndex(tmp_path / "search" / "demo")


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("moats", "a"),
        ("MEET search", "ab"),
        ("meet night", ""),
        ('"meet search"', "a"),
        ("dream*", "bc"),
        ("reverie", "c"),  # accents make no difference
        ("default-mode", "c"),
        ("42", "c"),
    ],
)
def test_words_phrases_and_prefixes_are_found(index, typed, expected):
    texts = Texts(
        a="Moats meet search.", b="search will meet dreams", c="A Rêverie of dreaming: default mode 42."
    )
    update(index, texts)
    assert found(index, typed) == (list(expected), len(expected))


def test_a_search_in_one_part_finds_nothing_in_others(index):
    texts = Texts(v="moat")
    texts.documents[DocumentKey("answer", "e")] = {"essay": "moat here", "rest": "thinking of tides"}
    texts.documents[DocumentKey("evaluation_prompt", "p")] = {"prompt": "judge the moat"}
    update(index, texts)
    assert found(index, "moat") == (["e", "p", "v"], 3)
    assert found(index, "moat", ("essay",)) == (["e"], 1)
    assert found(index, "moat", ("verdict", "prompt")) == (["p", "v"], 2)
    assert found(index, "tides", ("essay",)) == ([], 0)
    [hit], _ = index.search('"tides"', PARTS, limit=1, offset=0)
    assert (hit.part, hit.key) == ("rest", DocumentKey("answer", "e"))
    # Words of one document may stand in different parts of it.
    assert found(index, "moat tides") == (["e"], 1)


def test_what_was_found_is_marked_and_no_text_can_forge_the_marks(index):
    update(index, Texts(a="Say \x02moat\x03, then <b>moat</b>\x00 again"))
    [hit], _ = index.search('"moat"', PARTS, limit=1, offset=0)
    assert hit.snippet == "Say  \x02moat\x03 , then <b>\x02moat\x03</b>  again"


def test_hits_are_paged_and_the_best_come_first(index):
    texts = Texts(**{f"t{i}": f"moat {'filler ' * i}" for i in range(5)})
    update(index, texts)
    hits, total = index.search('"moat"', PARTS, limit=2, offset=0)
    assert ([hit.key.cell_id for hit in hits], total) == (["t0", "t1"], 5)
    assert found(index, "moat", limit=2, offset=4) == (["t4"], 5)
    assert found(index, "moat", limit=2, offset=6) == ([], 5)


def test_it_grows_by_a_bounded_step_and_reads_nothing_twice(index):
    texts = Texts(**{f"t{i}": f"word{i}" for i in range(5)})
    assert update(index, texts, documents=2) == IndexState(2, 5)
    assert found(index, "word*") == (["t0", "t1"], 2)
    assert update(index, texts, documents=2) == IndexState(4, 5)
    assert update(index, texts, documents=2) == IndexState(5, 5)
    assert update(index, texts, documents=2).is_whole
    assert texts.read == [f"t{i}" for i in range(5)]
    assert texts.looks == 1


def test_a_step_ends_when_it_has_enough_characters(index):
    texts = Texts(a="x" * 60, b="y" * 60, c="z")
    assert update(index, texts, chars=100) == IndexState(2, 3)


def test_new_changed_and_gone_documents_are_seen_with_a_new_stamp(index):
    texts = Texts(a="old words", b="stays", c="goes")
    update(index, texts, stamp="1")
    texts.documents[DocumentKey("verdict", "a")] = {"verdict": "new words"}
    texts.documents[DocumentKey("verdict", "d")] = {"verdict": "came"}
    del texts.documents[DocumentKey("verdict", "c")]
    texts.read.clear()
    assert update(index, texts, stamp="1") == IndexState(3, 3)  # as it was
    assert update(index, texts, stamp="2") == IndexState(3, 3)
    assert sorted(texts.read) == ["a", "d"]
    assert [found(index, word)[0] for word in ("old", "new", "stays", "goes", "came")] == [
        [], ["a"], ["b"], [], ["d"],
    ]  # fmt: skip


@pytest.mark.parametrize(("after", "looks"), [(LOOK_EVERY_S - 1, 1), (LOOK_EVERY_S, 2), (-1, 2)])
def test_a_full_look_is_taken_now_and_then_whatever_the_stamp(index, after, looks):
    texts = Texts(a="word")
    update(index, texts, stamp="1")
    update(index, texts, stamp="1", now=NOW + timedelta(seconds=after))
    assert texts.looks == looks


def test_a_large_index_is_not_looked_through_with_each_document_that_comes(index, monkeypatch):
    monkeypatch.setattr(text_index, "_DOCUMENTS_PER_S", 1)
    texts = Texts(a="word", b="word", c="word")
    update(index, texts, stamp="1")
    for seconds, looks in ((0, 1), (2, 1), (3, 2), (4, 2)):
        update(index, texts, stamp=f"at {seconds}", now=NOW + timedelta(seconds=seconds))
        assert texts.looks == looks


def test_a_document_without_text_counts_and_is_not_found(index):
    texts = Texts(a="word")
    texts.documents[DocumentKey("answer", "e")] = {}
    assert update(index, texts).is_whole
    assert found(index, "word") == (["a"], 1)


def test_while_another_adds_one_reads_what_is_there(index, tmp_path):
    texts = Texts(a="first")
    update(index, texts)
    texts.documents[DocumentKey("verdict", "b")] = {"verdict": "second"}
    with closing(sqlite3.connect(next((tmp_path / "search" / "demo").glob("*.sqlite3")))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert update(index, texts) == IndexState(1, 1, is_busy=True)
        assert found(index, "first") == (["a"], 1)
    assert update(index, texts) == IndexState(2, 2)


def test_several_at_once_make_one_whole_index(tmp_path):
    texts = Texts(**{f"t{i:03}": f"word{i} shared" for i in range(60)})

    def work(_):
        mine = TextIndex(tmp_path / "search")
        for _round in range(200):
            if update(mine, texts, documents=3).is_whole:
                return
            found(mine, "shared")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    whole = TextIndex(tmp_path / "search")
    assert update(whole, texts) == IndexState(60, 60)
    assert found(whole, "shared", limit=100) == (sorted(f"t{i:03}" for i in range(60)), 60)
    assert sorted(texts.read) == sorted(f"t{i:03}" for i in range(60))


def test_a_damaged_file_is_taken_away_and_made_anew(index, tmp_path):
    texts = Texts(a="word")
    update(index, texts)
    [file] = (tmp_path / "search" / "demo").glob("*.sqlite3")
    file.write_bytes(b"no database at all" * 1000)
    with pytest.raises(StoreError, match=r"was damaged and has been deleted; search again"):
        found(index, "word")
    assert update(index, texts) == IndexState(1, 1)
    assert found(index, "word") == (["a"], 1)


def test_a_deleted_index_is_made_anew(index, tmp_path):
    texts = Texts(a="word")
    update(index, texts)
    for file in (tmp_path / "search" / "demo").iterdir():
        file.unlink()
    assert update(index, texts) == IndexState(1, 1)


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "search").write_text("a file where the folder belongs")
    with pytest.raises(StoreError, match="the search index cannot be written"):
        update(TextIndex(tmp_path / "search" / "demo"), Texts(a="word"))


def test_only_the_index_is_left_in_its_folder(index, tmp_path):
    update(index, Texts(a="word"))
    assert [file.name for file in (tmp_path / "search" / "demo").iterdir()] == ["texts-1.sqlite3"]


def test_one_word_of_any_length_is_taken(index):
    update(index, Texts(a="w" * 2_000_000, b="word"))
    assert found(index, "word") == (["b"], 1)
    assert found(index, "www*") == (["a"], 1)
