"""Blind rating: what the page shows and hides, and which forms it takes."""

from __future__ import annotations

import html
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.rescore import rescore
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_run
from daydreaming.store.ratings import RatingRecord, read_ratings, stored_ratings, write_rating
from daydreaming.ui import csrf
from daydreaming.ui.access import Visitor
from daydreaming.ui.csrf import seal
from daydreaming.ui.routes.rating import FORM_BYTES
from tests.support.experiments import NOW, edit_input, make_settings, planned_run, tree_of
from tests.support.finished import answer_distinctly
from tests.unit.ui.conftest import ADA, READER

RATE = "/experiments/demo/rate"
OURS = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
SiteAs = Callable[[Visitor], TestClient]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs and data root with four essays, judged by two judges on two rubrics; to be copied."""
    path = tmp_path_factory.mktemp("finished")
    made = make_settings(path)
    planned_run(made)
    answer_distinctly(made, "run-1")
    engine_for(made).dispose()
    return path


@pytest.fixture
def answered(finished: Path, tmp_path: Path, settings: Settings) -> Settings:
    """The same, for the pages."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return settings


def send(
    site: TestClient, page: Response, *, headers: dict[str, str] | None = None, **typed: str
) -> Response:
    fields = {"form": token(page), "score": "7", "comment": "", **typed}
    return site.post(RATE, data=fields, headers=OURS if headers is None else headers, follow_redirects=False)


def token(page: Response) -> str:
    return html.unescape(re.search(r'name="form" value="([^"]+)"', page.text)[1])


def essay_of(page: Response) -> str:
    return html.unescape(
        re.search(r'id="essay-title">Essay</h2>\s*<p class="prose" dir="auto">(.*?)</p>', page.text, re.S)[1]
    )


def ids(settings: Settings) -> dict[str, str]:
    """Generation IDs by essay."""
    cells = cells_of_run(engine_for(settings), "run-1", "generation")
    calls = [open_call(settings, "run-1", "generation", cell.map_index) for cell in cells]
    return {call.files.read_essay(call.cell.cell_id): call.cell.cell_id for call in calls}


def test_an_essay_is_shown_without_a_word_on_its_origin(site, answered):
    page = site.get(RATE)
    assert page.status_code == 200
    essay = essay_of(page)
    # Tokens are random: what words they hold by chance says nothing.
    rest = re.sub(r"gAAAAA[\w-]+", "", page.text.replace(html.escape(essay), ""))
    assert "Moats meet search" in essay
    assert "Moats meet search" not in rest
    hidden = {"combo_v1", "prov/", "free", "paid", "tags", "moat", "Economic moat", "Combinatorial",
              "Try pairs", "xml_tags", "essays/", "Sound, says"}  # fmt: skip
    hidden |= set(ids(answered).values())
    assert [word for word in hidden if word in rest] == []


def test_the_length_of_a_page_does_not_tell_the_model(site, settings):
    name = "x" * 170
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "\npaid,prov/paid,", f"\n{name},prov/paid,")
    planned_run(settings, generation_models=["free", name])
    answer_distinctly(settings, "run-1")
    page, lengths = site.get(f"{RATE}?rubric=rigor"), set()
    for _ in range(4):
        skip = re.search(r"after=(gAAAAA[^\"&]+)", page.text)[1]
        lengths.add((len(token(page)), len(skip)))
        page = site.get(send(site, page).headers["location"].removeprefix("/daydreaming"))
    assert len(lengths) == 1
    assert {len(essay) > 150 for essay in ids(settings).values()} == {True, False}


def test_all_forms_are_equally_long_up_to_the_longest_ids():
    place, lengths = (-12.071067812, "f" * 16), set()
    skip = seal("skip", "u" * 250, {"place": place})
    assert len(skip) <= 1_000
    for length, after in ((1, None), (1, skip), (250, None), (250, skip)):
        named = {"experiment": "e" * length, "essay": "g" * length, "rubric": "r" * length}
        named |= {"digest": "f" * 16, "place": place, "after": after}
        lengths.add(len(seal("rate", "u" * length, named, FORM_BYTES)))
    assert len(lengths) == 1


def test_the_rubric_is_shown_with_its_scale(site, answered):
    page = site.get(f"{RATE}?rubric=rigor")
    assert "Judge:\n[the essay]" in page.text
    assert 'min="0.0" max="9.0" step="0.1"' in page.text
    assert "Score from 0 to 9" in page.text


def test_a_rating_is_stored_under_the_users_name_and_leads_to_the_next(site, answered):
    page = site.get(f"{RATE}?rubric=rigor")
    sent = send(site, page, score="6.5", comment="Well put.\r\nReally.\0")
    [rating] = read_ratings(engine_for(answered))
    assert stored_ratings(answered.data_root) == [rating]
    assert rating.generation_task_id == ids(answered)[essay_of(page)]
    assert (rating.rater, rating.score, rating.score_min, rating.score_max) == ("ada", 6.5, 0.0, 9.0)
    assert (rating.evaluation_template, rating.comment) == ("rigor", "Well put.\nReally.")
    assert sent.status_code == 303
    after = site.get(sent.headers["location"].removeprefix("/daydreaming"))
    assert "Rated 6.5" in after.text
    assert "1 of 4 essays rated on rigor" in after.text
    assert essay_of(after) != essay_of(page)
    assert rating.generation_task_id not in after.text


def test_the_origin_is_shown_on_request_and_to_the_rater_alone(site, site_as, answered):
    send(site, site.get(RATE))
    [rating] = read_ratings(engine_for(answered))
    address = f"{RATE}/origin/{rating.rating_id}"
    shown = site.get(address, follow_redirects=False)
    assert shown.status_code == 303
    assert shown.headers["location"] == f"/daydreaming/experiments/demo/essays/{rating.generation_task_id}"
    other = site_as(replace(ADA, user_id="9", name="eve"))
    assert other.get(address, follow_redirects=False).status_code == 404
    assert other.get(f"{RATE}?rated={rating.rating_id}").status_code == 404


def test_each_essay_is_offered_once_until_all_are_rated(site, answered):
    seen = []
    page = site.get(f"{RATE}?rubric=style")
    while 'id="essay-title"' in page.text:
        seen.append(essay_of(page))
        page = site.get(send(site, page).headers["location"].removeprefix("/daydreaming"))
    assert sorted(seen) == sorted(ids(answered))
    assert "You have rated all 4 essays on style" in page.text
    assert "style (4 rated)" in page.text
    assert "rigor (0 rated)" in page.text


def test_a_skipped_essay_comes_back_after_the_others(site, answered):
    def skip(page: Response) -> Response:
        link = html.unescape(re.search(r'data-key="s" href="/daydreaming([^"]+)"', page.text)[1])
        return site.get(link)

    first = site.get(f"{RATE}?rubric=rigor")
    second = skip(first)
    third = site.get(send(site, second).headers["location"].removeprefix("/daydreaming"))
    fourth = skip(third)
    again = skip(fourth)
    shown = [essay_of(page) for page in (first, second, third, fourth)]
    assert len(set(shown)) == 4
    assert essay_of(again) == shown[0]
    assert "The ones that you skipped come again" in again.text
    assert "come again" not in fourth.text


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ({"score": "9.5"}, "The score must be a number from 0 to 9; got '9.5'."),
        ({"score": "-1"}, "from 0 to 9; got '-1'"),
        ({"score": ""}, "got nothing"),
        ({"score": "nan"}, "got 'nan'"),
        ({"score": "1e999"}, "got '1e999'"),
        ({"score": "<b>seven"}, "got '<b>seven'"),
        ({"comment": "x" * 2_001}, "A comment may have 2,000 characters at most; got 2,001."),
    ],
)
def test_what_cannot_be_stored_comes_back_as_it_was_typed(site, answered, typed, line):
    page = site.get(f"{RATE}?rubric=rigor")
    back = send(site, page, **{"score": "5", "comment": "My words & <i>.", **typed})
    assert back.status_code == 422
    assert line in html.unescape(back.text)
    assert essay_of(back) == essay_of(page)
    assert f'value="{html.escape(typed.get("score", "5"))}"' in back.text
    assert html.escape(typed.get("comment", "My words & <i>.")) in back.text
    assert "<b>" not in back.text
    assert read_ratings(engine_for(answered)) == []
    assert send(site, back).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:8081"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Referer": "https://evil.example/127.0.0.1"},
    ],
    ids=str,
)
def test_a_form_of_another_site_is_refused(site, answered, headers):
    sent = send(site, site.get(RATE), headers=headers)
    assert sent.status_code == 403
    assert read_ratings(engine_for(answered)) == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Referer": "http://127.0.0.1/daydreaming/experiments/demo/rate"},
        {"Origin": "https://127.0.0.1"},
        {"Origin": "https://airflow.example.org", "Sec-Fetch-Site": "same-origin"},
    ],
    ids=["referer", "behind a proxy that ends TLS", "base_url"],
)
def test_a_form_of_our_own_page_is_taken(site, answered, headers, monkeypatch):
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/airflow")
    assert send(site, site.get(RATE), headers=headers).status_code == 303


def test_a_token_is_good_for_its_user_alone(site, site_as, answered):
    page = site.get(RATE)
    other = site_as(replace(ADA, user_id="9", name="eve"))
    assert send(other, page).status_code == 403
    assert read_ratings(engine_for(answered)) == []


@pytest.mark.parametrize(
    "made",
    [
        lambda page: "",
        lambda page: token(page)[:-1],
        lambda page: "made-up ä",
        lambda page: seal("skip", ADA.user_id, {"place": [0, ""]}),
        lambda page: seal("rate", ADA.user_id, {"experiment": "other", "after": None}),
    ],
    ids=["none", "cut", "no token", "for something else", "of another experiment"],
)
def test_a_token_that_was_not_made_for_this_form_is_refused(site, answered, made):
    page = site.get(RATE)
    assert send(site, page, form=made(page)).status_code == 403
    assert read_ratings(engine_for(answered)) == []


def test_a_token_made_with_another_key_is_refused(site, answered, monkeypatch):
    page = site.get(RATE)
    monkeypatch.setattr(csrf, "get_signing_key", lambda *_: "another")
    assert send(site, page).status_code == 403


def test_a_page_that_was_open_for_a_day_is_sent_once_more(site, answered, monkeypatch):
    page = site.get(RATE)
    now = csrf.time.time()
    monkeypatch.setattr(csrf, "time", SimpleNamespace(time=lambda: now + 86_400))
    back = send(site, page, comment="Kept.")
    assert back.status_code == 422
    assert "open for too long" in back.text
    assert "Kept." in back.text
    monkeypatch.undo()


def test_an_essay_that_changed_meanwhile_is_not_rated(site, answered):
    page = site.get(RATE)
    essay = ids(answered)[essay_of(page)]
    file = answered.data_root / f"03_generation/parsed_generation_responses/{essay}.txt"
    file.write_text("Another.")
    sent = send(site, page)
    assert sent.status_code == 409
    assert "Nothing was stored" in sent.text
    assert read_ratings(engine_for(answered)) == []


def test_a_score_on_a_scale_that_the_rater_did_not_see_is_not_stored(site, answered):
    page = site.get(f"{RATE}?rubric=rigor")
    rescore(answered, "demo", ["rigor"], "strict", "0-100", now=NOW)
    sent = send(site, page, score="9")
    assert sent.status_code == 409
    assert "The essay, its rubric or the scale has changed" in sent.text
    assert read_ratings(engine_for(answered)) == []
    assert send(site, site.get(f"{RATE}?rubric=rigor"), score="90").status_code == 303


def test_an_essay_that_cannot_be_read_keeps_nobody_from_rating_the_others(site, answered):
    page = site.get(f"{RATE}?rubric=rigor")
    DataRoot(answered.data_root).essay(ids(answered)[essay_of(page)]).write_bytes(b"\xff\xfe")
    assert send(site, page).status_code == 409
    page = site.get(f"{RATE}?rubric=rigor")
    for _ in range(3):
        page = site.get(send(site, page).headers["location"].removeprefix("/daydreaming"))
    assert "You have rated 3 of 4 essays on rigor; the others cannot be read now." in page.text
    assert "You have rated all" not in page.text


def test_the_same_said_twice_is_one_rating_and_another_word_is_a_later_one(site, answered):
    page = site.get(RATE)
    send(site, page)
    send(site, page)
    assert len(read_ratings(engine_for(answered))) == 1
    send(site, page, score="2")
    scores = [rating.score for rating in read_ratings(engine_for(answered))]
    assert scores == [7.0, 2.0]


def test_a_rating_of_an_earlier_essay_does_not_count(site, answered):
    page = site.get(f"{RATE}?rubric=rigor")
    essay = ids(answered)[essay_of(page)]
    earlier = RatingRecord("a" * 32, essay, "rigor", "ada", 7, 0, 9, datetime(2020, 1, 1, tzinfo=UTC))
    write_rating(engine_for(answered), answered.data_root, earlier)
    page = site.get(f"{RATE}?rubric=rigor")
    assert "rigor (0 rated)" in page.text
    assert ids(answered)[essay_of(page)] == essay
    send(site, page)
    assert "rigor (1 rated)" in site.get(f"{RATE}?rubric=rigor").text


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/x-www-form-urlencoded", b"form=" + b"x" * 70_000, 413),
        ("application/x-www-form-urlencoded", b"form=\xff", 422),
        ("application/x-www-form-urlencoded", b"&".join(b"a=1" for _ in range(50)), 422),
        ("multipart/form-data; boundary=x", b"--x--", 415),
        ("application/json", b"{}", 415),
    ],
)
def test_what_is_no_small_form_is_refused(site, answered, content_type, body, status):
    sent = site.post(RATE, content=body, headers={**OURS, "Content-Type": content_type})
    assert sent.status_code == status


def test_who_may_only_read_cannot_rate(site, site_as, answered):
    page = site.get(RATE)
    reader = site_as(READER)
    assert reader.get(RATE).status_code == 403
    assert send(reader, page).status_code == 403
    assert read_ratings(engine_for(answered)) == []


def test_looking_writes_nothing(site, answered):
    before = tree_of(answered.data_root)
    page = site.get(RATE)
    site.get(f"{RATE}?rubric=style")
    site.get("/experiments/demo/human-agreement")
    send(site, page, score="")
    engine_for(answered).dispose()  # SQLite tidies its files up
    assert tree_of(answered.data_root) == before


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/experiments/nosuch/rate", 404),
        ("/experiments/nosuch/human-agreement", 404),
        (f"{RATE}?rubric=nosuch", 404),
        (f"{RATE}?rubric={'x' * 300}", 422),
        (f"{RATE}?rated=1", 422),
        (f"{RATE}?rated={'0' * 32}", 404),
        (f"{RATE}?after=made-up", 403),
        (f"{RATE}/origin/{'0' * 32}", 404),
        (f"{RATE}/origin/x", 422),
    ],
)
def test_what_is_not_there_is_said_so(site, answered, path, status):
    assert site.get(path).status_code == status


def test_an_experiment_without_essays_says_what_it_waits_for(site, settings):
    planned_run(settings)
    assert "There is no essay to rate on rigor yet" in site.get(RATE).text
    assert "Waits for the first rating" in site.get("/experiments/demo/human-agreement").text


HOSTILE = (
    '<script>alert(1)</script> "><img src=x onerror=alert(2)> {{7*7}} {% raw %} \u202egnp.exe\u202c '
    "</p></article><form action=https://evil.example><input name=score> " + "w" * 200_000
)


def test_a_hostile_essay_is_text(site, settings):
    planned_run(settings, generation_templates=["essay"])
    texts = {("generation", i): HOSTILE for i in range(2)}
    answer_distinctly(settings, "run-1", texts=texts)
    page = site.get(RATE)
    assert page.status_code == 200
    assert essay_of(page) == HOSTILE
    for tag in ("<script>", "<img", "<form action=https", "</article><form"):
        assert tag not in page.text.replace('<script src="/daydreaming/', "")
    assert page.text.count("</article>") == 1
    assert "{{7*7}}" in page.text


def test_the_panel_shows_ratings_at_once(site, answered):
    for score in ("7", "3"):
        send(site, site.get(f"{RATE}?rubric=rigor"), score=score)
    panel = site.get("/experiments/demo/human-agreement")
    assert panel.text.lstrip().startswith('<section id="human-agreement"')
    assert "1 person rated\n  2 essays\n  (2 ratings)" in panel.text
    assert "mean of the judges" in panel.text
    assert panel.text.count('<th scope="row">rigor</th>') == 3


def test_a_rating_is_of_now(site, answered):
    send(site, site.get(RATE))
    [rating] = read_ratings(engine_for(answered))
    assert abs(datetime.now(UTC) - rating.rated_at) < timedelta(minutes=5)
