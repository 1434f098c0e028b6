"""Which essay a person rates next."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise

import pytest

from daydreaming.errors import InputError, ObjectStoreError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.rating import (
    Offer,
    Rubric,
    next_essay,
    offer_again,
    place_of,
    read_comment,
    read_score,
    store_rating,
)
from daydreaming.pipeline.scoring import Scoring, scoring_file, scorings_csv
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.ratings import read_ratings, response_sha256, stored_ratings
from tests.support.experiments import NOW, edit_input, planned_run
from tests.support.finished import answer_distinctly

RUBRIC = Rubric("rigor", "Rigor", "Judge.", "Judge.", 0.0, 9.0)
LATER = NOW.replace(year=NOW.year + 1)


@pytest.fixture
def answered(settings: Settings) -> Settings:
    """Four essays; the judges of `rigor` differ most on that of the third generation, not on the last."""
    planned_run(settings)
    scores = {0: (3, 4), 1: (5, 7), 2: (0, 9), 3: (6, 6)}
    texts = {}
    for generation, pair in scores.items():
        essay = open_call(settings, "run-1", "generation", generation).cell.cell_id
        for index in range(16):
            cell = open_call(settings, "run-1", "evaluation", index).cell
            if (cell.generation_task_id, cell.evaluation_template) == (essay, "rigor"):
                judge = 0 if cell.evaluation_model == "free" else 1
                texts["evaluation", index] = f"SCORE: {pair[judge]}"
    answer_distinctly(settings, "run-1", texts=texts)
    return settings


def index_of(settings: Settings, offer: Offer) -> int:
    ids = [open_call(settings, "run-1", "generation", i).cell.cell_id for i in range(4)]
    return ids.index(offer.essay.generation_task_id)


def rate(settings: Settings, offer: Offer, rater: str, score: float = 5.0) -> None:
    store_rating(settings, offer.essay, rater, score, None, LATER)


def test_the_essay_on_which_judges_differ_most_comes_first(answered):
    order = []
    for _ in range(4):
        offer = next_essay(answered, "demo", "ada", "rigor")
        order.append(index_of(answered, offer))
        rate(answered, offer, "ada")
    assert order == [2, 1, 0, 3]
    offer = next_essay(answered, "demo", "ada", "rigor")
    assert (offer.essay, offer.essays, len(offer.open.mine)) == (None, 4, 4)


def test_ratings_by_others_put_an_essay_back(answered):
    # SDs are 7.1, 1.6, 0.8 and 0 of 10 points. One rating halves what another tells, three make it a quarter.
    for rater in ("bob", "eve", "joe"):
        rate(answered, next_essay(answered, "demo", rater, "rigor"), rater)
    assert index_of(answered, next_essay(answered, "demo", "ada", "rigor")) == 1
    assert next_essay(answered, "demo", "ada", "rigor").place.worth == pytest.approx(-2.571348, abs=1e-6)


def test_what_a_rating_tells_falls_with_the_number_of_ratings_and_rises_with_disagreement():
    def worth(sd: float, people: int) -> float:
        return -place_of("g", "ada", sd, people).worth

    assert worth(0, 0) == 1
    assert worth(3, 0) == 4
    assert worth(3, 1) == 2
    assert worth(0, 1) == 0.5
    for sd in (0.0, 2.5):
        assert all(more > less for more, less in pairwise(worth(sd, people) for people in range(5)))


def test_among_equals_each_person_has_an_order_of_his_own():
    essays = [f"g{i}" for i in range(30)]
    orders = {
        rater: sorted(essays, key=lambda essay: place_of(essay, rater, 1.0, 0)) for rater in ("ada", "bob")
    }
    assert orders["ada"] != orders["bob"]
    assert orders["ada"] != essays


def test_skipping_goes_on_in_the_order_and_starts_again_at_its_end(answered):
    shown, after, again = [], None, []
    for _ in range(6):
        offer = next_essay(answered, "demo", "ada", "rigor", after)
        shown.append(index_of(answered, offer))
        again.append(offer.is_again)
        after = offer.place
    assert shown == [2, 1, 0, 3, 2, 1]
    assert again == [False, False, False, False, True, False]


def test_without_a_rubric_the_least_rated_one_with_something_left_is_open(answered):
    assert next_essay(answered, "demo", "ada").open.rubric == "rigor"
    rate(answered, next_essay(answered, "demo", "ada", "rigor"), "ada")
    assert next_essay(answered, "demo", "ada").open.rubric == "style"
    for _ in range(4):
        rate(answered, next_essay(answered, "demo", "ada", "style"), "ada")
    assert next_essay(answered, "demo", "ada").open.rubric == "rigor"
    for _ in range(3):
        rate(answered, next_essay(answered, "demo", "ada", "rigor"), "ada")
    offer = next_essay(answered, "demo", "ada")
    assert (offer.essay, offer.open.rubric) == (None, "rigor")
    assert next_essay(answered, "demo", "bob").essay is not None


def test_an_essay_whose_file_is_gone_is_passed_over(answered):
    first = next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id
    (answered.data_root / f"03_generation/parsed_generation_responses/{first}.txt").unlink()
    assert next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id != first
    again = offer_again(answered, "demo", "ada", "rigor", first, place_of(first, "ada", 0, 0))
    assert again.essay is None


def test_an_essay_that_cannot_be_read_is_passed_over(answered):
    first = next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id
    DataRoot(answered.data_root).essay(first).write_bytes(b"\xff\xfe")
    offer = next_essay(answered, "demo", "ada", "rigor")
    assert (index_of(answered, offer), offer.essays) == (1, 4)
    again = offer_again(answered, "demo", "ada", "rigor", first, place_of(first, "ada", 0, 0))
    assert again.essay is None


def test_an_essay_whose_frozen_rubric_is_lost_is_passed_over(answered):
    run = planned_run(answered, "run-2", now=LATER, generation_templates=["tags"])
    shutil.rmtree(answered.data_root / run.inputs_path)
    frozen._read.cache_clear()
    for _ in range(2):
        offer = next_essay(answered, "demo", "ada", "rigor")
        assert "_essay_" in offer.essay.generation_task_id
        rate(answered, offer, "ada")
    offer = next_essay(answered, "demo", "ada", "rigor")
    assert (offer.essay, offer.essays, len(offer.open.mine)) == (None, 4, 2)


def test_an_object_store_that_does_not_answer_is_an_error(answered, monkeypatch):
    def down(*_: object) -> str:
        raise ObjectStoreError("It does not answer.", "down")

    monkeypatch.setattr(DataRoot, "read_essay", down)
    with pytest.raises(ObjectStoreError, match="does not answer"):
        next_essay(answered, "demo", "ada", "rigor")


def test_an_essay_whose_response_is_being_exchanged_is_passed_over(answered):
    first = next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id
    response = DataRoot(answered.data_root).response("generation", first)
    response.write_text("Another answer, without its row yet.")
    assert next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id != first
    response.unlink()
    assert next_essay(answered, "demo", "ada", "rigor").essay.generation_task_id != first


@pytest.mark.parametrize(
    "changed",
    [
        {"text": "Another."},
        {"rubric": {"whole_text": "Judge anew."}},
        {"rubric": {"score_min": 1.0}},
        {"rubric": {"score_max": 100.0}},
    ],
    ids=str,
)
def test_the_digest_tells_another_essay_rubric_or_scale(answered, changed):
    essay = next_essay(answered, "demo", "ada", "rigor").essay
    rubric = replace(essay.rubric, **changed.get("rubric", {}))
    other = replace(essay, rubric=rubric, text=changed.get("text", essay.text))
    assert other.digest != essay.digest == replace(essay).digest


def test_the_rubric_is_the_one_that_the_latest_run_froze(answered):
    edit_input(answered.inputs_root, "01_raw/evaluation_templates/rigor.txt", "Judge:", "Judge anew:")
    essay = next_essay(answered, "demo", "ada", "rigor").essay
    assert essay.rubric.text.startswith("Judge:\n[the essay]")
    planned_run(answered, "run-2", now=LATER, on_stale="reuse")
    assert next_essay(answered, "demo", "ada", "rigor").essay.rubric.text.startswith("Judge anew:")


def test_the_scale_is_the_one_by_which_verdicts_are_read(answered):
    decided = Scoring("rigor", "strict", 0.0, 12.0, LATER)
    scoring_file(answered, "demo").write_text(scorings_csv([decided]))
    rubric = next_essay(answered, "demo", "ada", "rigor").essay.rubric
    assert (rubric.score_min, rubric.score_max) == (0, 12)


@pytest.mark.parametrize(
    ("low", "high", "step"), [(0, 10, 0.1), (0, 9, 0.1), (1, 5, 0.1), (0, 100, 1), (0, 1, 0.01), (0, 20, 1)]
)
def test_one_press_adds_a_power_of_ten_near_a_hundredth_of_the_range(low, high, step):
    assert replace(RUBRIC, score_min=low, score_max=high).step == pytest.approx(step)


@pytest.mark.parametrize(("text", "score"), [("0", 0), (" 9 ", 9), ("6.25", 6.25), ("1e0", 1), (".5", 0.5)])
def test_a_score_is_a_number_on_the_scale(text, score):
    assert read_score(text, RUBRIC) == score


@pytest.mark.parametrize(
    ("text", "got"),
    [
        ("9.01", "'9.01'"),
        ("-0.1", "'-0.1'"),
        ("seven", "'seven'"),
        ("", "nothing"),
        ("inf", "'inf'"),
        ("1,5", "'1,5'"),
        ("0_7", "'0_7'"),
        ("７", "'７'"),
        ("07", "'07'"),
    ],
)
def test_what_is_no_score_is_refused_with_what_was_got(text, got):
    with pytest.raises(InputError, match=f"must be a number from 0 to 9; got {got}."):
        read_score(text, RUBRIC)


def test_a_comment_may_be_long_but_not_too_long():
    assert read_comment(" " + "ä" * 2_000 + "\r\n") == "ä" * 2_000
    assert read_comment("a\0b\r\nc") == "ab\nc"
    assert read_comment(" \r\n ") is None
    with pytest.raises(InputError, match="2,000 characters at most; got 2,001"):
        read_comment("x" * 2_001)


def test_a_rating_has_the_scale_and_the_words_of_its_person(answered):
    offer = next_essay(answered, "demo", "ada", "rigor")
    stored = store_rating(answered, offer.essay, "ada", 6.5, "Fine.", LATER)
    assert read_ratings(engine_for(answered)) == stored_ratings(answered.data_root) == [stored]
    assert (stored.score, stored.score_max, stored.comment, stored.rated_at) == (6.5, 9.0, "Fine.", LATER)
    response = response_sha256(answered.data_root, stored.generation_task_id)
    assert stored.response_sha256 == response is not None
    assert store_rating(answered, offer.essay, "ada", 6.5, "Fine.", LATER) == stored
    other = store_rating(answered, offer.essay, "bob", 6.5, "Fine.", LATER)
    assert other.rating_id != stored.rating_id


def test_what_is_not_there_is_an_error_of_one_line(answered, settings):
    with pytest.raises(InputError, match=r"Unknown experiment ID 'nosuch'. Experiments that were run: demo"):
        next_essay(answered, "nosuch", "ada")
    with pytest.raises(InputError, match=r"demo has no rubric 'nosuch'. Its rubrics: rigor, style"):
        next_essay(answered, "demo", "ada", "nosuch")


def test_before_the_first_run_there_is_no_database_and_none_is_made(settings):
    with pytest.raises(InputError, match="none yet"):
        next_essay(settings, "demo", "ada")
    assert not settings.data_root.exists()
