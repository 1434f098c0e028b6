"""The report of a real experiment: what it says, when it changes, and that verify derives it again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.analysis import tables
from daydreaming.errors import StoreError
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.plan import set_cap
from daydreaming.pipeline.report import report_file, update_report, write_report
from daydreaming.pipeline.report_answers import sum_answers
from daydreaming.pipeline.report_failures import call_counts, failure_groups
from daydreaming.pipeline.report_scores import essay_scores, readings, unscored_reasons
from daydreaming.pipeline.tables import read_scores, write_all_tables, write_experiment_tables
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Kind
from daydreaming.pipeline.verify_report import first_line_difference
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from tests.support.experiments import NOW, edit_input, make_settings, planned_run
from tests.support.finished import finished_run
from tests.support.finished_root import buy_all, delete_answer

ALL_ANALYSES = dict(tables.ANALYSES)
HOSTILE = "</blockquote><script>alert(1)</script>\x00"


@pytest.fixture(autouse=True, scope="module")
def _few_tables() -> Iterator[None]:
    """Those that choose the essays, and some that are quickly made; one test has them all."""
    few = ("final_results", "comprehensive_variance_analysis", "missing_cells")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ANALYSES", {name: tables.ANALYSES[name] for name in few})
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished experiment of two judges; one essay is hostile, one verdict has no score."""
    path = tmp_path_factory.mktemp("finished")
    settings = make_settings(path)
    edit_input(settings.inputs_root, "experiments/demo.yaml", "k_max", "# Do moats meet search?\nk_max")
    finished_run(
        settings,
        texts={
            ("generation", 0): f"<essay>First line.\n\n{HOSTILE}</essay>",
            ("evaluation", 0): "SCORE: 9",
            ("evaluation", 1): "I will not say.",
        },
    )
    engine_for(settings).dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A small inputs tree; with the fixture `report`, one whose experiment is finished."""
    if "report" in request.fixturenames:
        shutil.copytree(request.getfixturevalue("finished"), tmp_path, dirs_exist_ok=True)
    return make_settings(tmp_path)


@pytest.fixture
def report(settings: Settings) -> Path:
    """The report of the finished experiment."""
    return report_file(settings, "demo")


def report_findings(settings):
    return [f.detail for f in verify(settings, ["demo"]).findings if f.subject.endswith("report.html")]


def test_a_finished_run_has_its_report(settings, report):
    text = report.read_text(encoding="utf-8")
    assert report == settings.data_root / "06_summary/demo/report.html"
    for shown in (
        "Do moats meet search?",
        "15 of 16 evaluations",
        "prov/paid",
        "daydreaming verify demo",
    ):
        assert shown in text
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;\ufffd") >= 1


def test_every_statistic_has_its_place(settings, monkeypatch):
    monkeypatch.setattr(tables, "ANALYSES", ALL_ANALYSES)
    finished_run(settings, concepts=["mind-wandering", "search", "moat"])
    text = report_file(settings, "demo").read_text(encoding="utf-8")
    for shown in (
        "Generation templates by mean score",
        "Generators in pairs",
        "Would another judge have said the same?",
        "Leniency of each judge",
        "Leniency, self- and family preference taken out",
        "Shares of the variance of scores",
        "the SE of a mean is",
        "Found in 4 of 5 experiments",
        "Most disputed essays",
    ):
        assert shown in text
    named = {name for name in ALL_ANALYSES if f">{name}.csv<" in text or f"/{name}.csv<" in text}
    assert named == set(ALL_ANALYSES)


def test_it_is_left_alone_while_nothing_changes(settings, report):
    before = report.stat()
    assert write_report(settings, "demo") is False
    write_all_tables(settings, "demo")
    assert (report.stat().st_ino, report.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_it_follows_the_answers(settings, report):
    before = report.read_bytes()
    delete_answer(settings, "run-1", "evaluation", 0)
    assert write_experiment_tables(settings, "demo") is True
    assert report.read_bytes() != before
    assert "14 of 16 evaluations" in report.read_text(encoding="utf-8")


def test_a_report_that_was_edited_or_deleted_is_written_anew(settings, report):
    whole = report.read_bytes()
    report.write_bytes(whole.replace(b"In short", b"In brief"))
    assert write_report(settings, "demo") is True
    assert report.read_bytes() == whole
    report.unlink()
    assert update_report(settings, "run-1").read_bytes() == whole


def test_verify_derives_it_again_and_names_the_line_that_differs(settings, report):
    assert report_findings(settings) == []
    text = report.read_text(encoding="utf-8")
    report.write_text(text.replace("15 of 16 evaluations", "16 of 16 evaluations", 1), encoding="utf-8")
    [detail] = report_findings(settings)
    assert detail.startswith("line ")
    assert "16 of 16" in detail
    assert "must be" in detail
    report.unlink()
    [finding] = [f for f in verify(settings, ["demo"]).findings if f.subject.endswith("report.html")]
    assert finding.kind is Kind.REPORT_MISSING
    assert finding.detail.endswith("make it: daydreaming report demo")
    assert not finding.is_error


def test_verify_takes_the_versions_that_the_report_names(settings, report, monkeypatch):
    monkeypatch.setattr("daydreaming.pipeline.report.made_with", lambda: "Python 9.9")
    monkeypatch.setattr("daydreaming.pipeline.verify_report.made_with", lambda: "Python 9.9")
    assert report_findings(settings) == []
    assert write_report(settings, "demo") is True
    assert "Python 9.9" in report.read_text(encoding="utf-8")


def test_an_edited_question_is_seen_by_verify_and_taken_by_the_next_report(settings, report):
    (settings.data_root / "02_tasks/demo/question.txt").write_text("Why?\n")
    [detail] = report_findings(settings)
    assert "Why?" in detail
    assert write_report(settings, "demo") is True
    assert report_findings(settings) == []


def test_what_changes_no_answer_changes_no_report(settings, report):
    edit_input(settings.inputs_root, "01_raw/llm_models.csv", "Free,true", "Renamed,true")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), evaluation_temperature=0.1, dry_run=True)
    set_cap(settings, "demo", 3.5)
    edit_input(settings.inputs_root, "experiments/demo.yaml", "Do moats", "Why should moats")
    assert write_report(settings, "demo") is False


def test_an_experiment_that_was_only_planned_has_a_report_that_waits(settings):
    planned_run(settings)
    write_all_tables(settings, "demo")
    text = report_file(settings, "demo").read_text(encoding="utf-8")
    assert "16 evaluations planned, 0 calls answered, none scored yet" in text
    assert text.count('<p class="waiting">') >= 8
    assert verify(settings, ["demo"]).is_clean


def test_one_judge_and_one_rubric_are_enough_for_a_report(settings):
    finished_run(settings, evaluation_models=["judge"], evaluation_templates=["rigor"])
    text = report_file(settings, "demo").read_text(encoding="utf-8")
    assert "One judge alone cannot disagree" in text
    assert verify(settings, ["demo"]).is_clean


def test_costs_and_failures_come_from_the_ledger(settings):
    planned_run(settings, max_failed_fraction=1)
    buy_all(settings, "run-1")
    write_all_tables(settings, "demo")
    text = report_file(settings, "demo").read_text(encoding="utf-8")
    assert "US dollars in" in text
    assert "LLMTransientError" in text
    assert "MissingResponseError" not in text  # Nothing was sent for it.
    counts = call_counts(settings, "demo", {"generation": [], "evaluation": []})
    assert {c.stage for c in counts} == {"generation", "evaluation"}
    assert sum(c.failed for c in counts) > 0
    assert [f.attempts for f in failure_groups(settings, "demo")] == [1, 1]
    assert [f for f in verify(settings).findings if f.kind == Kind.TABLE_DIFFERS] == []


def test_without_the_table_of_scores_there_is_no_report(settings, report):
    (settings.data_root / "05_parsing/demo/parsed_scores.csv").unlink()
    with pytest.raises(StoreError, match=r"parsed_scores\.csv: missing.*Clear parse_scores"):
        write_report(settings, "demo")


def test_reasons_are_counted_without_what_a_judge_wrote(settings, report):
    [(reason, count)] = unscored_reasons(read_scores(settings, "demo"))
    assert count == 1
    assert "got …" in reason
    assert "I will not say" not in reason


def test_reasons_are_counted_without_ids(settings):
    planned_run(settings)
    reasons = unscored_reasons(read_scores(settings, "demo"))
    assert reasons == [("not evaluated: generation … has no response", 16)]


def test_scores_of_an_essay_stand_by_judge_and_rubric(settings, report):
    scores = read_scores(settings, "demo")
    name = open_call(settings, "run-1", "generation", 0).cell.cell_id
    found = essay_scores(scores, [name])[name]
    assert [(s.judge, s.rubric) for s in found] == [
        ("free", "rigor"),
        ("free", "style"),
        ("judge", "rigor"),
        ("judge", "style"),
    ]
    assert {s.error == "" for s in found if s.score is not None} == {True}
    assert readings(scores) == {"rigor": "strict on 0–9", "style": "in_last_line on 0–10"}


def test_answers_without_a_record_tell_no_time_and_no_run():
    known = {"model_requested": "a/b", "model_returned": "a/b-2", "upstream_provider": None}
    known |= {"prompt_tokens": 5, "completion_tokens": None, "generation_model": "b"}
    bought = {**known, "request_hash": "h", "run_id": "run-1", "started_at": NOW, "ended_at": NOW}
    brought = {**known, "request_hash": None, "run_id": "run-9", "started_at": None}
    brought["ended_at"] = NOW + timedelta(days=9)
    sums = sum_answers({"generation": [bought, brought], "evaluation": []})
    assert (sums.first_call_at, sums.last_answer_at, dict(sums.runs)) == (NOW, NOW, {"run-1": 1})
    [served] = sums.served
    assert (served.model, served.returned, served.answers, served.prompt_tokens) == ("b", "a/b-2", 2, 10)
    assert (served.provider, served.completion_tokens) == ("", 0)


@pytest.mark.parametrize(
    ("found", "wanted", "detail"),
    [
        ("a\nb\n", "a\nc\n", "line 2: 'b'; must be 'c'"),
        ("a\n", "a\nb\n", "line 2: ''; must be 'b'"),
        ("a\nb", "a\nb\n", "the same lines, ended otherwise"),
        ("x" * 200 + "1", "x" * 200 + "2", f"line 1: '{'x' * 20}1'; must be '{'x' * 20}2'"),
    ],
)
def test_the_first_line_that_differs_is_shown_around_the_difference(found, wanted, detail):
    assert first_line_difference(found, wanted) == detail
