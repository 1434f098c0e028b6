"""The page of one experiment."""

from __future__ import annotations

import re

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import update

from daydreaming.errors import LLMPermanentError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.plan import set_cap
from daydreaming.pipeline.question import set_question
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.plans import cells_of_run
from daydreaming.store.results import insert_failure
from daydreaming.store.schema import EvaluationResponse
from tests.support.attempts import call_order
from tests.support.experiments import NOW, edit_input, planned_run
from tests.support.finished import answer_distinctly, finished_run

PAGE = "/experiments/demo"
PANELS = ("distributions", "leaderboards", "judges", "variance", "next-design", "costs", "missing")
HOSTILE = ("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202e{{7*7}}")


def text_of(site: TestClient, path: str = PAGE) -> str:
    answer = site.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(answer.text.split())


def section(text: str, key: str) -> str:
    """From the head of a panel to that of the next."""
    start = text.index(f'id="{key}-title"')
    following = re.compile(r'id="[\w-]+-title"').search(text, start + 1)
    return text[start : following.start() if following else len(text)]


@pytest.mark.parametrize(
    "path",
    [PAGE, f"{PAGE}/progress", f"{PAGE}/matrix", f"{PAGE}/tables/g_study", "/experiments/%00"],
)
def test_an_experiment_that_nobody_started_is_not_found(
    site: TestClient, settings: Settings, path: str
) -> None:
    assert site.get(path).status_code in (404, 422)
    planned_run(settings)
    assert site.get(path.replace("demo", "other")).status_code in (404, 422)


def test_facts_stand_first(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    set_question(settings, "demo", "Do moats matter?")
    text = text_of(site)
    assert "Do moats matter?" in text
    assert "1 combination of 2 out of 2 concepts" in text
    assert "Economic moat, Combinatorial search" in text
    assert 'data-airflow href="/dags/daydream_experiment/runs/run-1"' in text
    assert 'aria-current="page">Overview' in text


def test_every_empty_panel_says_what_it_waits_for(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    text = text_of(site)
    for key in (*PANELS[:-1], "advice", "matrix"):
        assert 'class="empty"' in section(text, key), key
    assert "20 planned calls are answered" in section(text, "missing")
    with engine_for(settings).begin() as connection:
        connection.exec_driver_sql("DELETE FROM planned_calls")
    text = text_of(site)
    assert "waits for <code>plan_generations</code>" in section(text, "design")
    assert 'class="empty"' in section(text, "progress")


def test_a_finished_experiment_shows_every_panel(site: TestClient, settings: Settings) -> None:
    finished_run(settings, concepts=["search", "moat", "mind-wandering"])
    text = text_of(site)
    for key in PANELS:
        assert f'href="#{key}"' in text
    assert "the SE of a mean is" in section(text, "advice")
    for key in ("distributions", "leaderboards", "variance", "next-design"):
        assert '<svg class="chart"' in section(text, key), key
    assert "Krippendorff&#39;s alpha" in text or "Krippendorff's alpha" in text
    assert "<code>06_summary/demo/factor_levels.csv</code>" in text
    assert 'href="/daydreaming/experiments/demo/tables/factor_levels"' in text
    assert 'data-refresh="/daydreaming/experiments/demo/human-agreement"' in text
    assert "made of" not in text
    # What the page's Content-Security-Policy forbids would not be seen.
    assert " style=" not in text
    assert "<style" not in text
    assert not re.search(r"<script(?! src=)", text)
    assert not re.search(r"\son\w+=", text)


def test_the_colours_of_charts_are_a_style_sheet(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    (address,) = re.findall(r'href="/daydreaming(/charts\.css\?v=\w+)"', text_of(site))
    answer = site.get(address)
    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]
    for part in ("--heat-0:", ".heat-8{", '[data-theme="dark"]', "prefers-color-scheme:dark"):
        assert part in answer.text


def test_scores_that_came_after_the_tables_are_told(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    write_all_tables(settings, "demo")
    answer_distinctly(settings, "run-1")
    text = text_of(site)
    assert "made of 15 scores" in text
    assert "show the 16 that" in text


def test_what_failed_leads_to_its_instance(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    for index in range(3):
        call = open_call(settings, "run-1", "generation", index)
        row = failure_row(call, LLMPermanentError("no"), attempt=1, final=True, now=NOW)
        insert_failure(engine_for(settings), row)
    missing = section(text_of(site), "missing")
    assert "3 calls were given up" in missing
    assert 'data-airflow href="/dags/daydream_experiment/runs/run-1/tasks/generate/mapped/2"' in missing
    assert 'href="/daydreaming/experiments/demo/failures"' in missing


def test_progress_is_live_while_calls_are_made(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    part = text_of(site, f"{PAGE}/progress")
    assert "<html" not in part
    assert 'id="progress"' in part
    assert 'data-every="15"' in part
    cell = cells_of_run(engine_for(settings), "run-1", "generation")[0]
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="demo", cell_id=cell.cell_id)])
    part = text_of(site, f"{PAGE}/progress")
    assert 'data-every="2"' in part
    assert "1 running" in part


def test_progress_tells_money_by_stage_and_the_cap(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    set_cap(settings, "demo", 2.5)
    part = text_of(site, f"{PAGE}/progress")
    assert "<dt>Cap</dt><dd>$2.50</dd>" in part
    assert "(generation $0.00, evaluation $0.00)" in part
    assert "known when each stage has an answer" in part


def test_new_statistics_are_offered_to_who_has_the_old_ones(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    (address,) = re.findall(r'data-refresh="/daydreaming(/experiments/demo/progress[^"]*)"', text_of(site))
    assert "New statistics" not in text_of(site, address)
    answer_distinctly(settings, "run-1")
    write_all_tables(settings, "demo")
    assert "New statistics" in text_of(site, address)
    text = text_of(site)
    assert "New statistics" not in text
    (address,) = re.findall(r'data-refresh="/daydreaming(/experiments/demo/progress[^"]*)"', text)
    assert "New statistics" not in text_of(site, address)


@pytest.mark.parametrize(
    "query",
    ["rows=concept&columns=concept", "rows=color", "value=max", "columns=", "rows=generation_model"],
)
def test_a_matrix_that_cannot_be_is_told(site: TestClient, settings: Settings, query: str) -> None:
    planned_run(settings)
    assert site.get(f"{PAGE}?{query}").status_code == 422
    assert site.get(f"{PAGE}/matrix?{query}").status_code == 422


def test_a_cell_of_the_matrix_leads_to_its_essays(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    with engine_for(settings).begin() as connection:
        connection.execute(update(EvaluationResponse).values(score=7.5, score_min=0.0, score_max=10.0))
    part = text_of(site, f"{PAGE}/matrix?rows=evaluation_template&columns=generation_model")
    address = "/daydreaming/experiments/demo/essays?evaluation_template=rigor&amp;generation_model=paid"
    assert f'title="4 scores"><a href="{address}">7.50</a>' in part
    assert "Mean score in points, 0 to 10; a mean is over all verdicts behind it." in part
    assert "on 0–10, the rubrics&#39; own scale" in part
    assert 'href="/daydreaming/experiments/demo/essays?evaluation_template=rigor">7.50' in part
    assert "<html" not in part


def test_rubrics_of_different_ranges_are_said_to_be_shares(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    part = text_of(site, f"{PAGE}/matrix")
    assert "share of the rubric&#39;s range, because the rubrics differ in their range" in part
    assert re.search(r'class="number heat-\d"[^>]*><a [^>]*>\d+ %</a>', part)


def test_a_concept_leads_to_the_essays_that_hold_it(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    part = text_of(site, f"{PAGE}/matrix?rows=concept&value=count")
    assert "Economic moat" in part
    assert "/essays?concept=moat&amp;generation_model=free" in section(part, "matrix")
    assert "A concept counts with each combination that holds it." in part
    assert "Verdicts with a score." in part
    essays = site.get(f"{PAGE}/essays?concept=moat").text
    assert '<option value="moat" selected>Economic moat</option>' in essays
    assert "4 essays." in " ".join(essays.split())
    assert "No essay fits this filter." in site.get(f"{PAGE}/essays?concept=dream").text


def test_a_choice_is_kept_and_can_be_turned_round(site: TestClient, settings: Settings) -> None:
    planned_run(settings)
    text = text_of(site, f"{PAGE}?rows=concept&columns=evaluation_model&value=cost")
    assert '<option value="concept" selected>' in text
    assert '<option value="cost" selected>' in text
    assert "?rows=evaluation_model&amp;columns=concept&amp;value=cost#matrix" in text
    # The factor of the columns is no choice for the rows.
    rows = text.partition('<select name="rows">')[2].partition("</select>")[0]
    assert 'value="evaluation_model"' not in rows
    assert "waits for the first, or its answers were there already" in text


def test_a_table_is_shown_in_pages(site: TestClient, settings: Settings) -> None:
    finished_run(settings, generation_replicates=4)
    first = text_of(site, f"{PAGE}/tables/evaluator_agreement_analysis")
    assert "32 rows" in first
    assert "05_parsing/demo/evaluator_agreement_analysis.csv" in first
    assert "There is no page 2" in text_of(site, f"{PAGE}/tables/evaluator_agreement_analysis?page=2")
    assert site.get(f"{PAGE}/tables/nothing").status_code == 404
    assert site.get(f"{PAGE}/tables/A-b").status_code == 422
    assert site.get(f"{PAGE}/tables/g_study?page=0").status_code == 422


def test_what_people_wrote_stays_text(site: TestClient, settings: Settings) -> None:
    for concept, hostile in zip(
        ("mind-wandering,Mind wandering", "search,Combinatorial search", "moat,Economic moat"),
        HOSTILE,
        strict=True,
    ):
        quoted = hostile.replace('"', '""')
        new = f'{concept.partition(",")[0]},"{quoted}"'
        edit_input(settings.inputs_root, "01_raw/concepts/concepts_metadata.csv", concept, new)
    finished_run(settings, concepts=["search", "moat", "mind-wandering"])
    set_question(settings, "demo", " ".join(HOSTILE))
    for text in (text_of(site), text_of(site, f"{PAGE}/matrix?rows=concept&columns=combination")):
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "{{7*7}}" in text
        assert "<script>alert" not in text
        assert "<img" not in text


def test_a_table_of_statistics_has_a_name_in_words_and_says_each_column_on_a_phone(
    site: TestClient, settings: Settings
) -> None:
    finished_run(settings)
    page = text_of(site, f"{PAGE}/tables/g_study")
    assert "<h1>Variance components</h1>" in page
    assert '<table class="statistics cards">' in page
    assert 'data-label="ci low"' in page
    # A dash among numbers stands where the numbers do.
    assert 'class="number without">–<' in page


def test_each_panel_names_the_scale_of_its_scores(site: TestClient, settings: Settings) -> None:
    finished_run(settings)
    page = text_of(site, PAGE)
    for title in ("Score distributions", "Leaderboards", "Judge audit", "Where differences come from"):
        assert f'{title} <span class="scale">on 0–10, rescaled</span>' in page
    assert 'Factor matrix <span class="scale">in per cent of each rubric&#39;s own range</span>' in page
