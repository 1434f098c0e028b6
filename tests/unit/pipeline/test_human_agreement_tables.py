"""The table of people and judges: written with the others, derived again by verify, live on the page."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.analysis import tables as analyses
from daydreaming.errors import InputError, StaleResponseError
from daydreaming.pipeline.call import build_request, open_call, settle_stored
from daydreaming.pipeline.human_agreement import latest_ratings, live
from daydreaming.pipeline.rating import next_essay, store_rating
from daydreaming.pipeline.report import report_file, write_report
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.pipeline.tables import statistics_file, store_statistics
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Kind
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.plans import cells_of_run
from daydreaming.store.ratings import RatingRecord, write_rating
from daydreaming.store.statistics import read_statistics, replace_statistics
from tests.support.experiments import NOW, edit_input, planned_run
from tests.support.finished import answer_distinctly, finished_run
from tests.support.finished_root import fail

LATER = NOW + timedelta(days=1)


@pytest.fixture(autouse=True)
def _few(monkeypatch):
    monkeypatch.setattr(analyses, "ANALYSES", {"final_results": analyses.ANALYSES["final_results"]})


@pytest.fixture
def finished(settings: Settings) -> Settings:
    finished_run(settings)
    return settings


def essay(settings: Settings, index: int) -> str:
    return open_call(settings, "run-1", "generation", index).cell.cell_id


def rate(settings: Settings, index: int, score: float, **fields: object) -> RatingRecord:
    number = fields.pop("number", index)
    rating = RatingRecord(f"{number:032x}", essay(settings, index), "rigor", "ada", score, 0.0, 9.0, LATER)
    rating = replace(rating, **fields)
    write_rating(engine_for(settings), settings.data_root, rating)
    return rating


def table_file(settings: Settings) -> Path:
    return statistics_file(settings, "demo", "human_agreement")


def rows(settings: Settings) -> list[dict[str, str]]:
    with table_file(settings).open(newline="") as file:
        return list(csv.DictReader(file))


def findings(settings: Settings) -> list[tuple[Kind, str, str]]:
    return [(f.kind, f.subject, f.detail) for f in verify(settings, ["demo"]).findings]


def test_without_ratings_there_is_no_table(finished):
    assert not table_file(finished).exists()
    assert read_statistics(engine_for(finished), "demo", "human_agreement") == []
    assert live(finished, "demo").ratings == 0


def test_ratings_are_in_the_next_tables_and_live_at_once(finished):
    rate(finished, 0, 9.0)
    rate(finished, 1, 0.0)
    found = live(finished, "demo")
    assert (found.ratings, found.essays, found.raters) == (2, 2, 1)
    assert not table_file(finished).exists()
    complete_run(finished, "run-1")
    written = rows(finished)
    assert [(row["evaluation_template"], row["evaluation_model"], row["essays"]) for row in written] == [
        ("rigor", "", "2"),
        ("rigor", "free", "2"),
        ("rigor", "judge", "2"),
    ]
    shown = [
        (row.judge, row.essays, row.difference, row.low, row.icc, row.alpha, row.why) for row in found.rows
    ]
    stored = read_statistics(engine_for(finished), "demo", "human_agreement")
    columns = ("evaluation_model", "essays", "difference", "ci_low", "icc_a1", "krippendorff_alpha", "why")
    assert shown == [tuple(row[column] for column in columns) for row in stored]
    assert float(written[1]["difference"]) == stored[1]["difference"]
    rate(finished, 2, 4.0)
    complete_run(finished, "run-1")
    assert rows(finished)[0]["essays"] == "3"


def test_tables_are_left_alone_where_no_rating_came(finished):
    rate(finished, 0, 9.0)
    complete_run(finished, "run-1")
    before = table_file(finished).stat().st_mtime_ns
    complete_run(finished, "run-1")
    assert table_file(finished).stat().st_mtime_ns == before


def test_verify_derives_the_table_again(finished):
    rate(finished, 0, 9.0)
    rate(finished, 1, 3.0)
    [finding] = findings(finished)[:1]
    assert finding[:2] == (Kind.TABLE_DIFFERS, "06_summary/demo/human_agreement.csv")
    complete_run(finished, "run-1")
    assert findings(finished) == []
    file = table_file(finished)
    file.write_text(file.read_text().replace("rigor,free,2", "rigor,free,3"))
    [finding] = findings(finished)
    assert finding == (
        Kind.TABLE_DIFFERS,
        "06_summary/demo/human_agreement.csv",
        "row 3, essays: '3'; must be '2'",
    )


def test_where_all_ratings_are_gone_the_table_goes(finished):
    rating = rate(finished, 0, 9.0)
    complete_run(finished, "run-1")
    (finished.data_root / "04_evaluation/ratings" / f"{rating.rating_id}.json").unlink()
    kinds = {kind for kind, subject, _ in findings(finished) if "human_agreement" in subject}
    assert kinds == {Kind.TABLE_DIFFERS}
    complete_run(finished, "run-1")
    assert not table_file(finished).exists()
    assert read_statistics(engine_for(finished), "demo", "human_agreement") == []
    assert [kind for kind, _, _ in findings(finished)] == [Kind.LEFTOVER]


def test_a_rebuild_stores_the_rows_of_the_table(finished):
    rate(finished, 0, 9.0)
    complete_run(finished, "run-1")
    before = read_statistics(engine_for(finished), "demo", "human_agreement")
    replace_statistics(engine_for(finished), "demo", {}, {"made_of": {}, "files": {}})
    store_statistics(finished, "demo")
    assert read_statistics(engine_for(finished), "demo", "human_agreement") == before != []


def test_the_latest_of_a_persons_ratings_counts_and_none_of_an_earlier_essay(finished):
    rate(finished, 0, 9.0, number=1)
    rate(finished, 0, 3.0, number=2, rated_at=LATER + timedelta(1))
    rate(finished, 0, 5.0, number=3, rater="bob")
    rate(finished, 1, 9.0, number=4, rated_at=NOW - timedelta(1))
    complete_run(finished, "run-1")
    first = rows(finished)[0]
    assert (first["essays"], first["raters"]) == ("1", "2")
    assert float(first["human_mean"]) == pytest.approx(10 * 4 / 9, abs=1e-6)
    found = live(finished, "demo")
    assert (found.ratings, found.essays, found.raters) == (2, 1, 2)


def test_a_rating_counts_again_when_its_essay_comes_back_out_of_the_archive(settings):
    def play(run_id: str, hours: int, **params: object) -> None:
        planned_run(
            settings, run_id, now=NOW + timedelta(hours=hours), on_stale="archive", max_failed_fraction=1,
            generation_templates=["essay"], generation_models=["free"], evaluation_templates=["rigor"],
            **params,
        )  # fmt: skip
        for stage in ("generation", "evaluation"):
            for cell in cells_of_run(engine_for(settings), run_id, stage):
                call = open_call(settings, run_id, stage, cell.map_index)
                settle_stored(call, build_request(call))
            answer_distinctly(settings, run_id)

    def say(score: float, days: int) -> None:
        essay = next_essay(settings, "demo", "ada", "rigor").essay
        store_rating(settings, essay, "ada", score, None, NOW + timedelta(days))

    def people_mean() -> float:
        complete_run(settings, "run-1")
        assert Kind.TABLE_DIFFERS not in {kind for kind, _, _ in findings(settings)}
        [written] = [row for row in rows(settings) if not row["evaluation_model"]]
        [shown] = [row for row in live(settings, "demo").rows if not row.judge]
        assert shown.difference == pytest.approx(float(written["difference"]))
        return float(written["human_mean"])

    play("run-1", 0)
    say(0.0, 1)
    assert people_mean() == 0
    play("run-2", 1, generation_temperature=0.9)
    say(9.0, 2)
    assert people_mean() == 10
    play("run-3", 2)
    assert next_essay(settings, "demo", "ada", "rigor").essay is None
    assert people_mean() == 0


def test_a_verdict_that_is_refused_is_left_out_of_the_panel_as_of_the_table(finished):
    edit_input(finished.inputs_root, "01_raw/evaluation_templates/rigor.txt", "Judge:", "Judge otherwise:")
    then = NOW + timedelta(hours=1)
    planned_run(finished, "run-2", now=then, max_failed_fraction=1)
    for cell in cells_of_run(engine_for(finished), "run-2", "evaluation"):
        call = open_call(finished, "run-2", "evaluation", cell.map_index)
        try:
            settle_stored(call, build_request(call))
        except StaleResponseError as error:
            fail(call, error, final=True, attempt=0, now=then)
    rate(finished, 0, 9.0)
    complete_run(finished, "run-2")
    shown = [(row.judge, row.essays, row.left_out) for row in live(finished, "demo").rows]
    written = [(r["evaluation_model"], int(r["essays"]), int(r["left_out"])) for r in rows(finished)]
    assert shown == written == [("", 0, 1), ("free", 0, 1), ("judge", 0, 1)]


def test_ratings_of_other_experiments_essays_change_nothing(finished):
    planned_run(finished, "run-2", experiment_id="other", evaluation_templates=["style"])
    rate(finished, 0, 9.0, evaluation_template="novelty")
    rate(finished, 1, 9.0, generation_task_id="elsewhere")
    complete_run(finished, "run-1")
    assert not table_file(finished).exists()
    assert live(finished, "demo").ratings == live(finished, "other").ratings == 0


def test_a_rating_that_cannot_be_read_stops_no_tables_and_is_named(finished, caplog):
    rate(finished, 0, 9.0)
    broken = rate(finished, 1, 3.0)
    name = f"04_evaluation/ratings/{broken.rating_id}.json"
    text = (finished.data_root / name).read_text()
    (finished.data_root / name).write_text("{")
    complete_run(finished, "run-1")
    assert rows(finished)[0]["essays"] == "1"
    [warning] = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"{name}: left out of human_agreement: cannot be read" in warning
    caplog.clear()
    [(kind, subject, detail)] = findings(finished)
    assert (kind, subject) == (Kind.UNREADABLE, name)
    assert detail.endswith("Restore it from a backup, or move it away.")
    assert not caplog.records
    (finished.data_root / name).write_text(text)
    complete_run(finished, "run-1")
    assert rows(finished)[0]["essays"] == "2"
    assert findings(finished) == []


def test_what_people_said_is_in_the_report_and_verify_derives_it(finished):
    file = report_file(finished, "demo")
    assert "People and judges" not in file.read_text(encoding="utf-8")
    for index, score in enumerate((9.0, 0.0, 5.0)):
        rate(finished, index, score)
    complete_run(finished, "run-1")
    text = file.read_text(encoding="utf-8")
    assert "Distance of each judge from people" in text
    digest = hashlib.sha256(table_file(finished).read_bytes()).hexdigest()
    assert digest in text
    assert findings(finished) == []
    assert write_report(finished, "demo") is False
    rate(finished, 3, 2.0)
    assert "06_summary/demo/report.html" in {subject for _, subject, _ in findings(finished)}


def test_evaluations_without_an_answer_are_left_out(settings):
    judged = {("evaluation", i) for i in range(16)}
    finished_run(settings, leave_out=frozenset(judged - {("evaluation", 0)}))
    rate(settings, 0, 9.0)
    rate(settings, 1, 9.0)
    found = {row.judge: (row.essays, row.left_out) for row in live(settings, "demo").rows}
    complete_run(settings, "run-1")
    stored = {row["evaluation_model"]: (int(row["essays"]), int(row["left_out"])) for row in rows(settings)}
    assert found == stored
    assert sum(essays for essays, _ in found.values()) == 2  # the one verdict: of its judge, and of the mean


def test_an_unknown_experiment_is_an_error(finished):
    with pytest.raises(InputError, match="Unknown experiment ID 'nosuch'"):
        live(finished, "nosuch")


def test_the_last_rating_of_each_person_essay_and_rubric_stays():
    rating = RatingRecord("a" * 32, "g", "rigor", "ada", 1.0, 0.0, 9.0, NOW)
    later = replace(rating, rating_id="0" * 32, rated_at=LATER)
    others = [
        replace(rating, rating_id="b" * 32, rater="bob"),
        replace(rating, rating_id="c" * 32, evaluation_template="style"),
        replace(rating, rating_id="d" * 32, generation_task_id="h"),
    ]
    assert latest_ratings([later, rating, *others]) == latest_ratings([*others, rating, later])
    assert set(latest_ratings([later, rating, *others])) == {later, *others}
