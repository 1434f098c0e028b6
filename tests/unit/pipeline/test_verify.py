"""A finished data root has no finding; each kind of damage has its own."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, text

from daydreaming.errors import InputError
from daydreaming.pipeline.call import open_call
from daydreaming.pipeline.plan import start_run
from daydreaming.pipeline.query_tables import TABLE_GROUPS, digest_of_sources, write_group
from daydreaming.pipeline.tables import write_all_tables, write_experiment_tables
from daydreaming.pipeline.verify import verify
from daydreaming.pipeline.verify_findings import Finding, Kind
from daydreaming.settings import Settings
from daydreaming.store.database import SQLITE_NAME, engine_for
from daydreaming.store.ratings import RatingRecord, write_rating
from daydreaming.store.result_queries import ALL_EVALUATIONS, EvaluationFilter
from daydreaming.store.results import delete_responses
from tests.support.experiments import NOW, edit_input, make_settings, planned_run, tree_of
from tests.support.finished import answer_distinctly, finished_run

LONG = "The essay is sound and says so at length. " * 6
RESPONSES = "04_evaluation/evaluation_responses"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inputs and data root of a finished experiment, to be copied."""
    path = tmp_path_factory.mktemp("finished")
    settings = make_settings(path)
    finished_run(settings)
    engine_for(settings).dispose()
    return path


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A small inputs tree; with the fixture `root`, one whose experiment is finished."""
    if "root" in request.fixturenames:
        shutil.copytree(request.getfixturevalue("finished"), tmp_path, dirs_exist_ok=True)
    return make_settings(tmp_path)


@pytest.fixture
def root(settings: Settings) -> Path:
    """The data root of a finished experiment."""
    return settings.data_root


def findings(settings: Settings, *experiment_ids: str) -> list[Finding]:
    return verify(settings, experiment_ids).findings


def kinds(settings: Settings) -> set[Kind]:
    return {finding.kind for finding in findings(settings)}


def only(settings: Settings) -> Finding:
    [finding] = findings(settings)
    return finding


def name_of(settings: Settings, stage: str, index: int = 0, run_id: str = "run-1") -> str:
    return open_call(settings, run_id, stage, index).cell.cell_id


def response(settings: Settings, stage: str, index: int = 0) -> Path:
    call = open_call(settings, "run-1", stage, index)
    return call.files.response(stage, call.cell.cell_id)


def edit_record(path: Path, **fields: object) -> None:
    record = path.with_suffix(".json")
    record.write_text(json.dumps({**json.loads(record.read_text()), **fields}))


def execute(settings: Settings, statement: str, **values: object) -> None:
    with engine_for(settings).begin() as connection:
        assert connection.execute(text(statement), values).rowcount


def rate(settings: Settings) -> str:
    """Store a rating, and the tables that show it; returns its ID."""
    essay = name_of(settings, "generation")
    rating = RatingRecord("a" * 32, essay, "rigor", "ada", 3.0, 0.0, 9.0, NOW + timedelta(hours=1), "Fine.")
    write_rating(engine_for(settings), settings.data_root, rating)
    write_all_tables(settings, "demo")
    return rating.rating_id


def test_a_finished_root_has_no_finding_and_says_what_was_checked(settings, root):
    report = verify(settings)
    assert report.findings == []
    assert report.is_clean
    checked = report.checked
    assert (checked["experiments"], checked["generations"], checked["evaluations"]) == (1, 4, 16)
    assert checked["files"] == 3 * 20 + 4
    assert checked["tables"] >= 4 + 1 + 2 * 5 + 1 + 2


def test_nothing_is_written_whatever_is_found(settings, root):
    response(settings, "generation").unlink()
    (root / "06_summary/demo/final_results.csv").write_text("x\n")
    engine = engine_for(settings)
    before = tree_of(root)
    statements = []

    def note(_connection, _cursor, statement, *_):
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        assert findings(settings)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert {statement.split()[0] for statement in statements} == {"SELECT"}
    assert {k: v for k, v in tree_of(root).items() if "-shm" not in k} == {
        k: v for k, v in before.items() if "-shm" not in k
    }


def test_looking_at_a_root_where_nothing_ran_makes_nothing(settings):
    assert findings(settings) == []
    assert not settings.data_root.exists()


def test_an_experiment_that_was_only_planned_has_no_finding(settings):
    planned_run(settings)
    assert findings(settings) == []


@pytest.mark.parametrize(
    ("file", "old", "new", "detail"),
    [
        ("05_parsing/demo/parsed_scores.csv", ",9,,", ",8,,", "row 11, score: '8'; must be '9'"),
        ("06_summary/demo/final_results.csv", "overall", "all", "row 19, analysis: 'all'; must be 'overall'"),
        ("06_summary/demo/g_study.csv", "\n", "\r\n", "the same cells, quoted or ended otherwise"),
        ("02_tasks/demo/evaluation_tasks.csv", "rigor", "rigour", "evaluation_task_id: "),
        ("07_reporting/demo/errors.csv", "run_id\n", "run_id\nx\n", "1 rows; must be 0"),
        ("07_cross_experiment/generation_results.csv", ",success,", ",lost,", "generation_status: 'lost'"),
    ],
)
def test_a_table_that_was_edited_is_named_with_row_and_column(settings, root, file, old, new, detail):
    before = (root / file).read_bytes().decode()
    assert old in before
    (root / file).write_bytes(before.replace(old, new, 1).encode())
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.TABLE_DIFFERS, file)
    assert detail in finding.detail


@pytest.mark.parametrize(
    "file",
    [
        "05_parsing/demo/evaluator_agreement_analysis.csv",
        "06_summary/demo/judge_audit.csv",
        "07_cross_experiment/evaluation_results.csv",
        "07_cross_experiment/evaluation_results.parquet",
        "07_reporting/demo/errors.csv",
    ],
)
def test_a_table_that_is_gone_is_missing(settings, root, file):
    (root / file).unlink()
    finding = only(settings)
    assert (finding.kind, finding.subject, finding.detail) == (Kind.TABLE_DIFFERS, file, "is missing")


def test_statistics_in_the_database_are_compared_too(settings, root):
    execute(
        settings,
        "UPDATE statistics SET row = '{}' WHERE table_name = 'g_study' AND position = 0",
    )
    finding = only(settings)
    assert finding.kind is Kind.STATISTICS_DIFFER
    assert finding.subject == "database: statistics/demo/g_study"
    assert finding.detail == "row 0, component: None; must be 'combination'"


@pytest.mark.parametrize("wanted", [ALL_EVALUATIONS, EvaluationFilter(evaluation_models=("judge",))])
def test_a_table_that_was_made_with_a_filter_is_held_against_what_was_written(settings, root, wanted):
    digest = digest_of_sources(settings, wanted)
    for group in TABLE_GROUPS:
        write_group(settings, group, wanted, digest)
    assert findings(settings) == []
    folder = root / "07_cross_experiment"
    edited, gone = folder / "model_performance_over_time.csv", folder / "template_version_differences.parquet"
    edited.write_bytes(edited.read_bytes().replace(b"judge", b"fudge", 1))
    gone.unlink()
    assert {(f.kind, f.subject, f.detail) for f in findings(settings)} == {
        (Kind.TABLE_DIFFERS, f"07_cross_experiment/{gone.name}", "is missing"),
        (
            Kind.TABLE_DIFFERS,
            f"07_cross_experiment/{edited.name}",
            "is not as daydream_cross_experiment wrote it",
        ),
    }


def test_a_table_of_which_an_earlier_release_kept_no_digest_is_not_checked(settings, root):
    digest = digest_of_sources(settings, ALL_EVALUATIONS)
    write_group(settings, "model_performance", ALL_EVALUATIONS, digest)
    folder = root / "07_cross_experiment"
    (folder / ".model_performance.digest").write_text(digest)
    (folder / "model_performance_over_time.csv").write_text("x")
    assert findings(settings) == []


def test_a_text_of_a_concept_that_was_edited_or_is_gone_is_found(settings, root):
    folder = root / "02_tasks/demo/concept_contents"
    (folder / "moat.txt").write_text("Another text.")
    (folder / "search.txt").unlink()
    assert [(f.kind, f.subject, f.detail) for f in findings(settings)] == [
        (
            Kind.TABLE_DIFFERS,
            "02_tasks/demo/concept_contents/moat.txt",
            "is not the text in the frozen inputs",
        ),
        (Kind.TABLE_DIFFERS, "02_tasks/demo/concept_contents/search.txt", "is missing"),
    ]


def test_a_text_of_a_concept_may_be_that_of_any_run(settings, root):
    before = (root / "02_tasks/demo/concept_contents/search.txt").read_bytes()
    edit_input(settings.inputs_root, "01_raw/concepts/descriptions-sentence/search.txt", "pairs", "triples")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), on_stale="reuse")
    assert (root / "02_tasks/demo/concept_contents/search.txt").read_bytes() != before
    assert findings(settings) == []


@pytest.mark.parametrize("old", [b"moat", None])
def test_combinations_that_the_mappings_have_otherwise_or_not_are_found(settings, root, old):
    path = root / "combo_mappings.csv"
    path.write_bytes(path.read_bytes().replace(old, b"dream")) if old else path.unlink()
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.TABLE_DIFFERS, "combo_mappings.csv")
    assert finding.detail.startswith("1 combinations are missing or others; first combo_v1_")
    assert finding.detail.endswith("must be moat+search (paragraph, k_max 2)")


def test_mappings_that_cannot_be_read_are_named(settings, root):
    (root / "combo_mappings.csv").write_text("x\n")
    assert (only(settings).kind, only(settings).subject) == (Kind.UNREADABLE, "combo_mappings.csv")


def test_a_response_that_was_edited_differs_from_its_record_and_from_its_row(settings, root):
    path = response(settings, "evaluation", 3)
    path.write_text("Really. " + path.read_text())
    by_record, by_row = findings(settings)
    for finding in (by_record, by_row):
        assert (finding.kind, finding.subject) == (Kind.RESPONSE_CHANGED, f"{RESPONSES}/{path.name}")
    assert "its record has" in by_record.detail
    assert "response_size_bytes is " in by_row.detail


def test_an_edit_shows_also_once_the_tables_have_followed_it(settings, root):
    path = response(settings, "evaluation", 3)
    path.write_text("Really. " + path.read_text())
    write_all_tables(settings, "demo")
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.RESPONSE_CHANGED, f"{RESPONSES}/{path.name}")
    assert "its record has" in finding.detail


def test_an_edited_score_shows_in_the_row_and_in_every_table_made_of_it(settings, root):
    path = response(settings, "evaluation", 3)
    path.write_text(path.read_text().replace("SCORE: 3", "SCORE: 9"))
    found = findings(settings)
    assert {f.kind for f in found} == {
        Kind.RESPONSE_CHANGED,
        Kind.ROW_DIFFERS,  # its reading in `scores`
        Kind.TABLE_DIFFERS,
        Kind.STATISTICS_DIFFER,
    }
    [scores] = [f for f in found if f.subject == "05_parsing/demo/parsed_scores.csv"]
    assert "score: '3'; must be '9'" in scores.detail


def test_a_response_whose_record_holds_another_hash_was_changed(settings, root):
    path = response(settings, "generation")
    edit_record(path, response_sha256="0" * 64)
    assert only(settings).kind is Kind.RESPONSE_CHANGED


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"latency_s": 99.0}, "latency_s is 2.0 in the table generations, 99.0 by the files"),
        ({"cell_id": "another"}, "its record is one of generation another"),
        ({"request": {"model": "x"}}, "request_hash of its record is not of the request in it"),
    ],
)
def test_a_record_that_was_edited_is_found(settings, root, fields, detail):
    edit_record(response(settings, "generation"), **fields)
    finding = only(settings)
    assert (finding.kind, finding.detail) == (Kind.RECORD_CHANGED, detail)


def test_a_record_or_response_that_cannot_be_read_is_named(settings, root):
    response(settings, "generation", 0).with_suffix(".json").write_text("{")
    response(settings, "evaluation", 0).write_bytes(b"\xff")
    found = findings(settings)
    assert [f.kind for f in found if f.kind is Kind.UNREADABLE] == [Kind.UNREADABLE] * 2
    assert any("not valid JSON" in f.detail for f in found)
    assert any("not UTF-8" in f.detail for f in found)


def test_a_response_without_a_row_is_found(settings, root):
    name = name_of(settings, "evaluation")
    delete_responses(engine_for(settings), "evaluation", [name])
    found = findings(settings)
    assert [f.subject for f in found if f.detail == "no row in the table evaluations"] == [
        f"{RESPONSES}/{name}.txt"
    ]
    # Its membership and its reading went with it, and the tables over all experiments are made of rows.
    assert {f.kind for f in found} == {Kind.ROW_MISSING, Kind.ROW_DIFFERS, Kind.TABLE_DIFFERS}


def test_a_row_without_a_response_is_found(settings, root):
    path = response(settings, "evaluation")
    path.unlink()
    found = findings(settings)
    rows = [f.subject for f in found if f.kind is Kind.ROW_WITHOUT_RESPONSE]
    assert rows == [f"database: evaluations/{path.stem}"]
    assert [f.subject for f in found if f.kind is Kind.LEFTOVER] == [f"{RESPONSES}/{path.stem}.json"]
    assert any(f.subject.endswith("parsed_scores.csv") for f in found)


def test_a_row_that_was_edited_is_found(settings, root):
    name = name_of(settings, "evaluation")
    execute(settings, "UPDATE evaluations SET score = 8 WHERE evaluation_task_id = :id", id=name)
    row, *cross = findings(settings)
    assert (row.kind, row.subject) == (Kind.ROW_DIFFERS, f"{RESPONSES}/{name}.txt")
    assert row.detail == "score is 8.0 in the table evaluations, 0.0 by the files"
    assert {f.subject.partition("/")[0] for f in cross} == {"07_cross_experiment"}


def test_a_reading_that_was_edited_is_found(settings, root):
    name = name_of(settings, "evaluation")
    execute(settings, "UPDATE scores SET score = 8 WHERE evaluation_task_id = :id", id=name)
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.ROW_DIFFERS, f"database: scores/{name}")
    assert finding.detail == "by strict on 0-9: score is 8.0; must be 0.0"


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DELETE FROM experiment_members WHERE cell_id = :id", "1 responses are missing, first {id}"),
        (
            "INSERT INTO experiment_members VALUES ('demo', 'evaluation', 'x' || length(:id))",
            "1 do not serve this experiment, first x",
        ),
    ],
)
def test_members_that_are_wrong_are_found(settings, root, statement, detail):
    name = name_of(settings, "evaluation")
    execute(settings, statement, id=name)
    finding = only(settings)
    assert finding.kind is Kind.ROW_DIFFERS
    assert finding.detail.startswith(detail.format(id=name))


@pytest.mark.parametrize(
    ("statement", "is_there"),
    [
        ("UPDATE own_readings SET score = 8 WHERE evaluation_task_id = :id", "8.0 by strict on 0-9"),
        ("DELETE FROM own_readings WHERE evaluation_task_id = :id", "not there"),
    ],
)
def test_a_reading_of_the_experiments_own_that_is_wrong_is_found(settings, root, statement, is_there):
    name = name_of(settings, "evaluation")
    edit_input(settings.inputs_root, "01_raw/evaluation_templates.csv", "strict,0,9", "strict,0,10")
    finished_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other")
    execute(settings, statement, id=name)
    [finding] = [f for f in findings(settings) if f.subject.startswith("database")]
    assert (finding.kind, finding.experiment_id) == (Kind.ROW_DIFFERS, "demo")
    assert finding.subject == f"database: own_readings/{name}"
    assert finding.detail == f"is {is_there}; must be 0.0 by strict on 0-9"


@pytest.mark.parametrize(
    ("statement", "kind", "detail"),
    [
        ("UPDATE ratings SET score = 8", Kind.ROW_DIFFERS, "score is 8.0, 3.0 in its file"),
        ("UPDATE ratings SET score = 99", Kind.ROW_DIFFERS, "score is 99.0, 3.0 in its file"),
        ("UPDATE ratings SET rater = 'bob'", Kind.ROW_DIFFERS, "rater is 'bob', 'ada' in its file"),
        ("UPDATE ratings SET comment = NULL", Kind.ROW_DIFFERS, "comment is None, 'Fine.' in its file"),
        ("DELETE FROM ratings", Kind.ROW_MISSING, "no row in the table ratings"),
    ],
)
def test_a_row_of_a_rating_that_is_not_what_its_file_says_is_found(settings, root, statement, kind, detail):
    rating_id = rate(settings)
    assert findings(settings) == []
    execute(settings, statement)
    finding = only(settings)
    assert (finding.kind, finding.subject) == (kind, f"database: ratings/{rating_id}")
    assert finding.detail == detail


def test_a_row_of_a_rating_that_a_person_took_back_is_information(settings, root):
    rating_id = rate(settings)
    (root / f"04_evaluation/ratings/{rating_id}.json").unlink()
    write_all_tables(settings, "demo")
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.LEFTOVER, f"database: ratings/{rating_id}")
    assert not finding.is_error


def test_a_row_of_a_rating_whose_file_cannot_be_read_is_not_called_fileless(settings, root):
    rating_id = rate(settings)
    (root / f"04_evaluation/ratings/{rating_id}.json").write_text("{")
    assert f"database: ratings/{rating_id}" not in {f.subject for f in findings(settings)}


def test_a_run_whose_row_is_gone_is_found_though_no_experiment_names_it(settings, root):
    execute(settings, "DELETE FROM runs")
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.ROW_MISSING, "02_tasks/demo/runs/run-1.json")
    assert "nothing of it is checked" in finding.detail


def test_a_run_is_found_where_the_whole_database_is_gone(settings, root):
    engine_for(settings).dispose()
    for file in root.glob(f"{SQLITE_NAME}*"):
        file.unlink()
    found = {f.subject: f.kind for f in findings(settings)}
    assert found["02_tasks/demo/runs/run-1.json"] is Kind.ROW_MISSING


def test_an_experiment_whose_row_is_gone_is_found(settings, root):
    execute(settings, "DELETE FROM experiments")
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.ROW_MISSING, "database: experiments/demo")


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DELETE FROM combinations", "1 combinations are planned and not in the table combinations, first "),
        ("UPDATE planned_calls SET combo_id = 'x' WHERE map_index = 0 AND stage = :stage", "first x: "),
    ],
)
@pytest.mark.parametrize("stage", ["generation", "evaluation"])
def test_a_combination_that_is_planned_and_not_known_is_told(settings, root, statement, detail, stage):
    execute(settings, statement, **({"stage": stage} if ":stage" in statement else {}))
    [told] = [f for f in findings(settings) if f.kind is Kind.UNREADABLE]
    assert told.subject == "experiment demo"
    assert detail in told.detail


@pytest.mark.parametrize(
    ("column", "stage", "what"),
    [
        ("generation_template", "generation", "generation template 'x'"),
        ("generation_model", "generation", "generation model 'x'"),
        ("evaluation_template", "evaluation", "evaluation template 'x'"),
    ],
)
def test_a_plan_that_names_what_was_not_frozen_is_told(settings, root, column, stage, what):
    execute(
        settings,
        f"UPDATE planned_calls SET {column} = 'x' WHERE map_index = 0 AND stage = :stage",
        stage=stage,
    )
    found = findings(settings)
    assert Kind.RUN_DIFFERS in {f.kind for f in found}
    assert any(f.kind is Kind.UNREADABLE and f"have no {what}" in f.detail for f in found)


def test_a_damaged_plan_of_another_experiment_that_shares_cells_is_told(settings, root):
    finished_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other")
    write_all_tables(settings, "demo")
    assert findings(settings) == []
    execute(settings, "UPDATE planned_calls SET combo_id = 'x' WHERE run_id = 'run-2' AND map_index = 0")
    told = {f.subject: f.detail for f in findings(settings) if f.kind is Kind.UNREADABLE}
    assert told.keys() == {"experiment demo", "experiment other"}
    assert "run run-2 of experiment other planned combo_v1_" in told["experiment demo"]


@pytest.mark.parametrize(
    ("file", "what"),
    [
        (f"{RESPONSES}/stranger.txt", "a response"),
        (f"{RESPONSES}/stranger.json", "a record"),
        ("03_generation/generation_responses/stranger.txt", "a response"),
        ("03_generation/generation_prompts/stranger.txt", "a prompt"),
        ("03_generation/parsed_generation_responses/stranger.txt", "an essay"),
        ("04_evaluation/evaluation_prompts/stranger.txt", "a prompt"),
    ],
)
def test_a_file_that_nobody_planned_is_an_orphan(settings, root, file, what):
    (root / file).write_text("Who am I?\nSCORE: 1")
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.ORPHAN, file)
    assert finding.detail == f"{what} that no experiment's plan names"


def test_unfinished_files_and_locks_are_no_orphans(settings, root):
    (root / RESPONSES / ".~abc").write_text("half")
    (root / RESPONSES / ".~abc.txt").write_text("half")
    assert findings(settings) == []


def test_two_essays_of_one_model_with_the_same_text_are_duplicates(settings):
    same = "<essay>Twice.</essay>"
    finished_run(settings, texts={("generation", 0): same, ("generation", 2): same})
    first, second = name_of(settings, "generation", 0), name_of(settings, "generation", 2)
    finding = only(settings)
    assert finding.kind is Kind.DUPLICATE
    assert finding.subject.endswith(f"/{second}.txt")
    assert finding.detail == f"the same text as {first}, of the same model"


def test_the_same_text_of_two_models_is_no_duplicate(settings):
    same = "<essay>Twice.</essay>"
    finished_run(settings, texts={("generation", 0): same, ("generation", 1): same})
    assert findings(settings) == []


@pytest.mark.parametrize(
    ("verdict", "kind"),
    [(f"{LONG}\nSCORE: 7", Kind.DUPLICATE), ("Fine.\nSCORE: 7", Kind.SHORT_DUPLICATE)],
)
def test_verdicts_that_are_short_may_be_alike_by_chance(settings, verdict, kind):
    finished_run(settings, texts={("evaluation", 0): verdict, ("evaluation", 4): verdict})
    assert only(settings).kind is kind


def test_a_response_id_that_came_twice_is_a_duplicate(settings):
    twice = {"response_id": "resp-9"}
    finished_run(settings, fields={("generation", 0): twice, ("evaluation", 5): twice})
    finding = only(settings)
    assert finding.kind is Kind.DUPLICATE
    assert finding.detail == (
        f"the same response id (resp-9) as generation {name_of(settings, 'generation', 0)}"
    )


def test_a_verdict_whose_generation_has_no_response_has_lost_its_parent(settings, root):
    path = response(settings, "generation")
    path.unlink()
    parents = [f for f in findings(settings) if f.kind is Kind.MISSING_PARENT]
    assert len(parents) == 4
    assert {f.detail for f in parents} == {f"generation {path.stem}, which it judges, has no response"}


def test_an_answer_to_another_prompt_than_would_be_sent_now_is_stale(settings, root):
    edit_input(settings.inputs_root, "01_raw/evaluation_templates/style.txt", "Style of", "Grace of")
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1))
    found = findings(settings)
    assert {f.kind for f in found} == {Kind.STALE_RESPONSE}
    assert len(found) == 8
    assert all("run run-2 would send" in f.detail and "(another prompt)" in f.detail for f in found)


def test_parameters_make_an_answer_stale_and_with_it_what_judges_it(settings, root):
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), generation_temperature=0.1)
    found = findings(settings)
    assert {f.kind for f in found} == {Kind.STALE_RESPONSE}
    assert sum("(another model or parameters)" in f.detail for f in found) == 4
    assert sum("which it judges, is stale" in f.detail for f in found) == 16


def test_what_a_run_takes_as_it_is_is_not_stale(settings, root):
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), generation_temperature=0.1, on_stale="reuse")
    assert findings(settings) == []


def test_a_verdict_without_a_score_is_unscored(settings):
    finished_run(settings, texts={("evaluation", 2): "Lovely."})
    finding = only(settings)
    assert (finding.kind, finding.subject) == (
        Kind.UNSCORED,
        f"{RESPONSES}/{name_of(settings, 'evaluation', 2)}.txt",
    )
    assert "SCORE" in finding.detail


def test_an_essay_that_was_not_found_is_information(settings):
    blocked = frozenset(("evaluation", index) for index in range(8, 12))
    finished_run(settings, texts={("generation", 2): "No tag."}, leave_out=blocked)
    report = verify(settings)
    assert [f.kind for f in report.findings] == [Kind.ESSAY_NOT_FOUND]
    assert report.is_clean


def test_a_provider_that_served_another_model_is_information(settings):
    other = {"model_returned": "prov/cheaper"}
    finished_run(settings, fields={("evaluation", 0): other, ("evaluation", 2): other})
    report = verify(settings)
    [finding] = report.findings
    assert finding.kind is Kind.OTHER_MODEL
    assert finding.detail == "2 answers came from prov/cheaper"
    assert report.is_clean


def test_an_essay_file_is_what_its_response_holds(settings, root):
    name = name_of(settings, "generation")
    path = root / f"03_generation/parsed_generation_responses/{name}.txt"
    path.write_text(path.read_text().replace("Moats", "Goats"))
    assert (only(settings).kind, only(settings).detail) == (
        Kind.ESSAY_DIFFERS,
        "is not the essay in its response",
    )


def test_a_prompt_file_that_is_not_what_was_sent_is_information(settings, root):
    path = root / f"04_evaluation/evaluation_prompts/{name_of(settings, 'evaluation')}.txt"
    path.write_text("Another.")
    report = verify(settings)
    assert [(f.kind, f.subject.split("/")[-1]) for f in report.findings] == [(Kind.PROMPT_DIFFERS, path.name)]
    assert report.is_clean


def test_answers_without_a_record_are_counted(settings, root):
    for index in (0, 1):
        response(settings, "evaluation", index).with_suffix(".json").unlink()
    write_all_tables(settings, "demo")
    report = verify(settings)
    assert [(f.kind, f.detail) for f in report.findings] == [
        (Kind.NO_RECORD, "2 have no record: whether they are stale cannot be told")
    ]


@pytest.mark.parametrize("file", ["inputs.json", "evaluation_templates/style.txt", "experiment.yaml"])
def test_frozen_inputs_that_were_edited_are_found(settings, root, file):
    [folder] = (root / "02_tasks/demo/inputs").iterdir()
    with (folder / file).open("a") as opened:
        opened.write("more\n")
    finding = only(settings)
    assert finding.kind is Kind.INPUTS_CHANGED
    assert folder.name in finding.subject


def test_frozen_inputs_that_are_gone_do_not_end_the_check(settings, root):
    shutil.rmtree(root / "02_tasks/demo/inputs")
    (root / f"{RESPONSES}/stranger.txt").write_text("?")
    assert {Kind.INPUTS_CHANGED, Kind.ORPHAN} <= kinds(settings)


@pytest.mark.parametrize(
    ("file", "old", "new", "detail"),
    [
        ("run-1.json", '"generation_replicates": 1', '"generation_replicates": 2', "params is "),
        ("run-1.evaluation.csv", "rigor", "rigour", "row 2 is another than in the table planned_calls"),
    ],
)
def test_a_run_file_that_was_edited_differs_from_the_database(settings, root, file, old, new, detail):
    path = root / f"02_tasks/demo/runs/{file}"
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    finding = only(settings)
    assert (finding.kind, finding.subject) == (Kind.RUN_DIFFERS, f"02_tasks/demo/runs/{file}")
    assert finding.detail.startswith(detail)


def test_experiments_that_read_the_same_verdicts_otherwise_are_both_clean(settings, root):
    edit_input(
        settings.inputs_root, "01_raw/evaluation_templates.csv", "true,strict,0,9", "true,complex,0,10"
    )
    finished_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other")
    write_all_tables(settings, "demo")
    assert findings(settings) == []


def test_only_the_experiment_that_is_named_is_checked(settings, root):
    finished_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other", k_max=1)
    write_all_tables(settings, "demo")
    (root / "06_summary/other/friedman.csv").unlink()
    assert findings(settings, "demo") == []
    assert [f.experiment_id for f in findings(settings, "demo", "other")] == ["other"]
    assert [f.experiment_id for f in findings(settings)] == ["other"]


def test_an_experiment_that_is_not_there_is_refused(settings, root):
    with pytest.raises(InputError, match=r"Unknown experiment ID 'nope'\. Experiments that were run: demo"):
        verify(settings, ["demo", "nope"])


def test_answers_that_land_after_the_tables_make_them_differ(settings):
    finished_run(settings, leave_out=frozenset({("evaluation", 15)}))
    assert findings(settings) == []
    answer_distinctly(settings, "run-1")
    assert Kind.TABLE_DIFFERS in kinds(settings)


def test_an_answer_that_another_experiment_bought_leaves_the_tables_behind_and_not_wrong(settings):
    verdicts = [("evaluation", index) for index in range(12, 16)]
    finished_run(settings, leave_out=frozenset({("generation", 3), *verdicts}))
    planned_run(settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other")
    answer_distinctly(settings, "run-2")
    write_all_tables(settings, "other")
    report = verify(settings)
    behind = {f.subject for f in report.findings if f.kind is Kind.OUTDATED}
    assert {"05_parsing/demo/parsed_scores.csv", "06_summary/demo/report.html"} <= behind
    assert "clear check_completeness" in report.findings[0].detail
    assert [f for f in report.findings if f.is_error and f.kind is Kind.TABLE_DIFFERS] == []
    (settings.data_root / "06_summary/demo/final_results.csv").write_text("x")
    assert only_errors(settings) == {Kind.TABLE_DIFFERS}


def test_a_report_of_an_experiment_that_was_never_planned_is_not_wrong(settings):
    start_run(settings, {"experiment": "demo"}, "run-1", NOW)
    write_experiment_tables(settings, "demo")
    assert only_errors(settings) == set()


def only_errors(settings):
    return {f.kind for f in verify(settings).findings if f.is_error}


def test_a_models_extra_body_is_frozen_whatever_the_order_of_its_keys(settings):
    models = settings.inputs_root / "01_raw/llm_models.csv"
    rows = list(csv.DictReader(models.read_text().splitlines()))
    for row in rows:
        row["extra_body"] = '{"top_p": 0.9, "min_p": 0.1, "a": {"z": 1, "b": 2}}'
    with models.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    finished_run(settings)
    assert findings(settings) == []
