"""Search over all texts of an experiment, whichever database has its rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline import text_search
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.text_search import search_texts
from daydreaming.pipeline.verify import verify
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import delete_responses
from tests.support.experiments import NOW, make_settings, planned_run
from tests.support.finished import answer_distinctly, finished_run

TEXTS = {
    ("generation", 0): "Moats meet search. A heron waits.",
    ("generation", 2): "<thinking>Of herons.</thinking><essay>Tides turn.</essay> Adieu.",
    ("generation", 3): "A heron without tags.",
    ("evaluation", 0): "The heron is dull.\nSCORE: 8",
    ("evaluation", 1): "Plain.\nSCORE: 3",
}


#: What judges the answer without an essay, and one more.
LEFT_OUT = frozenset({("evaluation", index) for index in range(11, 16)})


@pytest.fixture
def answered(settings: Settings) -> Settings:
    planned_run(settings)
    answer_distinctly(settings, "run-1", texts=TEXTS, leave_out=LEFT_OUT)
    return settings


def search(settings, typed, scope="all", *, now=NOW, limit=50, offset=0):
    return search_texts(settings, "demo", typed, scope, now, limit=limit, offset=offset)


def places(settings, typed, scope="all"):
    """Part, and stage and map index of the cell, of what is found."""
    index = {
        cell.cell_id: cell.map_index
        for stage in ("generation", "evaluation")
        for cell in cells_of_run(engine_for(settings), "run-1", stage)
    }
    return sorted((one.part, one.stage, index[one.cell_id]) for one in search(settings, typed, scope).found)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_all_texts_are_found_where_they_are(request, tmp_path, kind):
    settings = make_settings(tmp_path)
    if kind == "postgres":
        postgres = request.getfixturevalue("postgres")
        name = postgres.create_database(request.getfixturevalue("migrated_template"))
        settings = replace(settings, results_conn=postgres.uri(name))
    planned_run(settings)
    answer_distinctly(settings, "run-1", texts=TEXTS, leave_out=LEFT_OUT)
    assert places(settings, "heron", "essays") == [("essay", "generation", 0)]
    assert places(settings, "heron", "verdicts") == [("verdict", "evaluation", 0)]
    # One prompt for all judges: the first that was asked is named.
    assert places(settings, "heron", "prompts") == [("prompt", "evaluation", 0), ("prompt", "evaluation", 2)]
    assert places(settings, "heron*") == [
        ("essay", "generation", 0),
        ("prompt", "evaluation", 0),
        ("prompt", "evaluation", 2),
        ("rest", "generation", 2),
        ("rest", "generation", 3),
        ("verdict", "evaluation", 0),
    ]
    assert places(settings, "adieu") == [("rest", "generation", 2)]
    assert places(settings, '"try pairs"', "prompts") == [("prompt", "generation", 0)]
    engine_for(settings).dispose()


def test_a_hit_says_what_it_is_about(answered):
    [hit] = search(answered, "dull").found
    assert [(p.text, p.is_found) for p in hit.pieces] == [
        ("The heron is ", False), ("dull", True), (".\nSCORE: 8", False),
    ]  # fmt: skip
    assert (hit.row["score"], hit.row["evaluation_template"]) == (8.0, "rigor")
    assert hit.concepts == "Economic moat + Combinatorial search"


def test_hits_are_paged(answered):
    first = search(answered, "heron", limit=2)
    second = search(answered, "heron", limit=2, offset=2)
    ids = [(hit.part, hit.cell_id) for hit in (*first.found, *second.found)]
    assert (first.total, second.total, len(set(ids))) == (5, 5, 4)


def test_the_index_grows_from_look_to_look_and_says_how_far_it_is(answered, monkeypatch):
    monkeypatch.setattr(text_search, "MAX_DOCUMENTS", 10)
    # 4 answers, 11 verdicts, and 2 + 6 different prompts.
    states = [search(answered, "heron").state for _ in range(3)]
    assert [(state.indexed, state.wanted) for state in states] == [(10, 23), (20, 23), (23, 23)]
    assert states[-1].is_whole


def test_an_answer_that_came_or_went_is_seen_at_once(answered):
    assert search(answered, "egret").total == 0
    come = LEFT_OUT - {("evaluation", 11)}
    answer_distinctly(answered, "run-1", texts={("evaluation", 11): "An egret.\nSCORE: 1"}, leave_out=come)
    assert places(answered, "egret") == [("verdict", "evaluation", 11)]
    call = open_call(answered, "run-1", "evaluation", 11)
    delete_responses(engine_for(answered), "evaluation", [call.cell.cell_id])
    assert search(answered, "egret").total == 0


def test_an_index_that_was_deleted_is_made_again(answered):
    before = places(answered, "heron")
    for file in (answered.cache_folder / "search" / "demo").iterdir():
        file.unlink()
    assert places(answered, "heron") == before


@pytest.mark.parametrize(
    "typed", ["", "  ", '"" ** ( ', "AND OR NOT NEAR(", "col:x^2 {a b}", "'; DROP TABLE texts; --"]
)
def test_whatever_is_typed_is_no_error(answered, typed):
    found = search(answered, typed)
    assert (found.total, found.state.is_whole) == (0, True)


def test_a_text_that_cannot_be_read_is_left_out(answered):
    call = open_call(answered, "run-1", "generation", 0)
    call.files.essay(call.cell.cell_id).write_bytes(b"\xff")
    call.files.response("generation", call.cell.cell_id).unlink()
    call.files.prompt("generation", call.cell.cell_id).unlink()
    found = search(answered, "heron", "essays")
    assert (found.total, found.state.is_whole) == (0, True)


def test_an_unknown_experiment_is_refused_and_makes_no_index(answered):
    with pytest.raises(InputError, match="Unknown experiment ID"):
        search_texts(answered, "none", "heron", "all", NOW, limit=5, offset=0)
    assert not (answered.cache_folder / "search" / "none").exists()


def test_the_index_is_nothing_that_verify_finds(settings):
    finished_run(settings, texts={})
    before = verify(settings)
    assert search(settings, "moats").state.is_whole
    after = verify(settings)
    assert ([f.subject for f in after.findings], after.checked) == (
        [f.subject for f in before.findings],
        before.checked,
    )


def test_an_edit_that_leaves_the_length_is_seen_later(answered):
    search(answered, "dull")
    call = open_call(answered, "run-1", "evaluation", 0)
    call.files.response("evaluation", call.cell.cell_id).write_text("The heron is fine.\nSCORE: 8")
    call.files.provenance("evaluation", call.cell.cell_id).unlink()
    refresh_rows(answered, "demo")
    assert search(answered, "fine", now=NOW + timedelta(minutes=2)).total == 1
    assert search(answered, "dull", now=NOW + timedelta(minutes=2)).total == 0
