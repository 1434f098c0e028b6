"""A data folder of the Dagster original becomes an experiment of ours."""

from __future__ import annotations

import csv
import dataclasses
import json
from datetime import timedelta
from pathlib import Path

import pytest

from daydreaming.errors import InputError, StoreError
from daydreaming.pipeline.call import CellCall, build_request, open_call, open_calls, settle_stored
from daydreaming.pipeline.import_legacy import import_legacy
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.status import experiment_status
from daydreaming.pipeline.verify import verify
from daydreaming.settings import Settings
from daydreaming.store.combo_mappings import read_combo_mappings
from daydreaming.store.database import engine_for
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_experiment, runs_of_experiment
from daydreaming.store.results import read_responses
from tests.support.experiments import NOW, answer_call, planned_run, tree_of
from tests.support.legacy_folder import (
    CONCEPTS,
    ESSAYS,
    EVALUATION_HEADER,
    EVALUATION_PROMPTS,
    EVALUATION_TASKS,
    EVALUATIONS,
    FILES,
    GENERATION_HEADER,
    GENERATION_PROMPTS,
    GENERATION_TASKS,
    GENERATION_TEMPLATES,
    GENERATIONS,
    MADE_AT,
    MAPPING_HEADER,
    MAPPINGS,
    MODELS,
    NUMBERED,
    OLD_JUDGED,
    OLD_JUDGED_OURS,
    PLAIN,
    PLAIN_ANSWER,
    PLAIN_JUDGED,
    RELATIONSHIPS,
    SLASHED,
    SLASHED_ANSWER,
    SLASHED_ESSAY,
    SLASHED_JUDGED,
    SLASHED_JUDGED_OURS,
    SLASHED_OURS,
    STABLE,
    make_legacy_folder,
    without,
)

#: Where each file of the folder comes to lie.
PLACES = {
    f"{GENERATIONS}/{PLAIN}.txt": f"03_generation/generation_responses/{PLAIN}.txt",
    f"{GENERATION_PROMPTS}/{PLAIN}.txt": f"03_generation/generation_prompts/{PLAIN}.txt",
    f"{GENERATIONS}/{SLASHED}.txt": f"03_generation/generation_responses/{SLASHED_OURS}.txt",
    f"{ESSAYS}/{SLASHED}.txt": f"03_generation/parsed_generation_responses/{SLASHED_OURS}.txt",
    f"{EVALUATIONS}/{PLAIN_JUDGED}.txt": f"04_evaluation/evaluation_responses/{PLAIN_JUDGED}.txt",
    f"{EVALUATION_PROMPTS}/{PLAIN_JUDGED}.txt": f"04_evaluation/evaluation_prompts/{PLAIN_JUDGED}.txt",
    f"{EVALUATIONS}/{SLASHED_JUDGED}.txt": f"04_evaluation/evaluation_responses/{SLASHED_JUDGED_OURS}.txt",
    f"{EVALUATIONS}/{OLD_JUDGED}.txt": f"04_evaluation/evaluation_responses/{OLD_JUDGED_OURS}.txt",
}
RESPONSES = [place for place in PLACES.values() if "_responses/" in place and "parsed" not in place]

LONG = f"{'a' * 120}/{'b' * 120}"


@pytest.fixture
def summaries() -> None:
    """Ask for it where the summaries are looked at: to make them takes most of an import of five answers."""


@pytest.fixture(autouse=True)
def _summaries_on_demand(request, monkeypatch):
    if "summaries" not in request.fixturenames:
        monkeypatch.setattr("daydreaming.pipeline.tables.write_summaries", lambda *_: None)


@pytest.fixture
def run(settings: Settings, tmp_path: Path):
    """Import a folder with these overrides."""

    def imported(overrides=None, *, name: str = "old", **options):
        root = make_legacy_folder(tmp_path / name, overrides)
        return import_legacy(settings, root, now=options.pop("now", NOW), **options)

    return imported


def counts(report, what: str) -> dict[str, int]:
    return {count.kind: getattr(count, what) for count in report.counts if getattr(count, what)}


def refused(report) -> dict[str, str]:
    return {problem.file: problem.reason for problem in report.unplaced}


def files_of(settings: Settings) -> dict[str, bytes | None]:
    """Everything below the data root but the database and the locks."""
    tree = tree_of(settings.data_root)
    return {name: data for name, data in tree.items() if "sqlite3" not in name and not name.endswith("lock")}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_file_is_placed_without_changing_a_byte(settings, run, tmp_path):
    report = run()
    assert report.is_complete
    assert counts(report, "placed") == {
        "generation_response": 2,
        "evaluation_response": 3,
        "generation_prompt": 1,
        "evaluation_prompt": 1,
        "essay": 1,
    }
    for theirs, ours in PLACES.items():
        assert (settings.data_root / ours).read_bytes() == FILES[theirs].encode(), ours
    assert tree_of(make_legacy_folder(tmp_path / "fresh")) == tree_of(tmp_path / "old")


def test_nothing_but_these_files_is_placed(settings, run):
    run()
    placed = {n for n, data in files_of(settings).items() if n[:2] in ("03", "04") and data is not None}
    # The essay of the answer that the original had not cut is derived, as for any answer of ours.
    derived = f"03_generation/parsed_generation_responses/{PLAIN}.txt"
    assert placed == {*PLACES.values(), derived, *(place.replace(".txt", ".json") for place in RESPONSES)}


def test_the_record_says_that_and_whence_the_answer_was_imported(settings, run):
    run()
    record = json.loads(
        (settings.data_root / PLACES[f"{EVALUATIONS}/{OLD_JUDGED}.txt"]).with_suffix(".json").read_text()
    )
    [own_run] = runs_of_experiment(engine_for(settings), "legacy")
    assert record == {
        "stage": "evaluation",
        "cell_id": OLD_JUDGED_OURS,
        "experiment_id": "legacy",
        "run_id": own_run.run_id,
        "imported_from": f"{EVALUATIONS}/{OLD_JUDGED}.txt",
        "imported_id": OLD_JUDGED,
        "imported_at": NOW.isoformat(),
        "model_id": "lab--critic-beta",
        "model_requested": "lab/critic:beta",
        "ended_at": MADE_AT.isoformat(),
    }


def _numbered(folder: Path, *models: str, files: dict[str, str] | None = None) -> Path:
    """A folder that names no concepts, with an answer of `combo_001` by each model."""
    answers = {f"{GENERATIONS}/{NUMBERED}_essay_{m}.txt": f"<essay>Of {folder.name}.</essay>" for m in models}
    verdicts = {f"{EVALUATIONS}/{NUMBERED}_essay_{m}_style_judge.txt": "SCORE: 7" for m in models}
    for name, text in {**answers, **verdicts, **(files or {})}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_a_number_that_nobody_explains_is_not_taken_for_that_of_another_folder(settings, tmp_path):
    assert import_legacy(settings, _numbered(tmp_path / "dreams", "free"), now=NOW).is_complete
    before = files_of(settings)
    report = import_legacy(settings, _numbered(tmp_path / "cats", "paid"), now=NOW)
    answer = refused(report)[f"{GENERATIONS}/{NUMBERED}_essay_paid.txt"]
    assert answer.startswith("combo_001 is a number, which every plan of the original counted anew.")
    assert "that the folder does not hold (1, first combo_001_essay_free)" in answer
    assert "If one plan made both, import them in one folder" in answer
    assert refused(report)[f"{EVALUATIONS}/{NUMBERED}_essay_paid_style_judge.txt"] == answer
    assert files_of(settings) == before


def test_nor_where_the_other_folder_has_an_answer_of_the_same_name(settings, tmp_path):
    import_legacy(settings, _numbered(tmp_path / "dreams", "free"), now=NOW)
    report = import_legacy(settings, _numbered(tmp_path / "cats", "free", "paid"), now=NOW)
    assert len(refused(report)) == 4
    assert not counts(report, "placed")


def test_nor_where_that_folder_alone_says_what_the_number_stands_for(settings, tmp_path):
    import_legacy(settings, _numbered(tmp_path / "dreams", "free"), now=NOW)
    explained = {MAPPINGS: MAPPING_HEADER + f"{NUMBERED},v1,idle-mind,paragraph,1,2025-08-01\n"}
    report = import_legacy(settings, _numbered(tmp_path / "cats", "paid", files=explained), now=NOW)
    assert all("combo_001 is a number" in reason for reason in refused(report).values())
    assert not counts(report, "placed")
    assert NUMBERED not in read_combo_mappings(DataRoot(settings.data_root).combo_mappings())


def test_a_folder_of_numbers_that_nobody_explains_can_be_imported_again_and_have_grown(settings, tmp_path):
    folder = _numbered(tmp_path / "dreams", "free")
    import_legacy(settings, folder, now=NOW)
    again = import_legacy(settings, folder, now=NOW)
    assert (again.is_complete, counts(again, "placed")) == (True, {})
    grown = import_legacy(settings, _numbered(folder, "free", "paid"), now=NOW)
    assert (grown.is_complete, counts(grown, "placed")) == (
        True,
        {"generation_response": 1, "evaluation_response": 1},
    )


def test_an_answer_that_was_deleted_here_stands_in_no_ones_way(settings, tmp_path):
    import_legacy(settings, _numbered(tmp_path / "dreams", "free"), now=NOW)
    DataRoot(settings.data_root).response("generation", f"{NUMBERED}_essay_free").unlink()
    assert import_legacy(settings, _numbered(tmp_path / "cats", "paid"), now=NOW).is_complete


def test_each_answer_has_its_row(settings, run):
    run()
    engine = engine_for(settings)
    generations = {row["generation_task_id"]: row for row in read_responses(engine, "generation")}
    assert {
        i: (r["combo_id"], r["generation_template"], r["generation_model"], r["parser"], r["essay_error"])
        for i, r in generations.items()
    } == {
        PLAIN: (STABLE, "02_problem_solving", "r1", "whole", None),
        SLASHED_OURS: (NUMBERED, "synthesis-v3", "r1", "section_headers", None),
    }
    evaluations = {row["evaluation_task_id"]: row for row in read_responses(engine, "evaluation")}
    assert {
        i: (r["generation_task_id"], r["evaluation_model"], r["parser"], r["score"])
        for i, r in evaluations.items()
    } == {
        PLAIN_JUDGED: (PLAIN, "qwq", "complex", 7.0),
        SLASHED_JUDGED_OURS: (SLASHED_OURS, "qwq", "in_last_line", 5.0),
        OLD_JUDGED_OURS: (PLAIN, "lab--critic-beta", "in_last_line", None),
    }
    for row in [*generations.values(), *evaluations.values()]:
        assert (row["request_hash"], row["ended_at"], row["experiment_id"]) == (None, MADE_AT, "legacy")


def test_the_folder_becomes_an_experiment_with_status_and_tables(settings, run, summaries):
    run(experiment_id="august")
    status = [
        (r.stage, r.model, r.planned, r.answered, r.waiting) for r in experiment_status(settings, "august")
    ]
    assert status == [
        ("generation", "r1", 2, 2, 0),
        ("evaluation", "lab--critic-beta", 1, 1, 0),
        ("evaluation", "qwq", 2, 2, 0),
    ]
    cross = rows_of(settings.data_root / "07_cross_experiment/evaluation_results.csv")
    assert {row["evaluation_task_id"]: row["experiment_id"] for row in cross} == dict.fromkeys(
        [PLAIN_JUDGED, SLASHED_JUDGED_OURS, OLD_JUDGED_OURS], "august"
    )
    scores = rows_of(settings.data_root / "05_parsing/august/parsed_scores.csv")
    assert sorted((row["combo_id"], row["score"]) for row in scores) == [
        (NUMBERED, "5"),
        (STABLE, ""),
        (STABLE, "7"),
    ]
    final = rows_of(settings.data_root / "06_summary/august/final_results.csv")
    assert "synthesis-v3" in {value for row in final for value in row.values()}
    tasks = rows_of(settings.data_root / "02_tasks/august/evaluation_tasks.csv")
    assert [
        row["evaluation_model_name"] for row in tasks if row["evaluation_task_id"] == OLD_JUDGED_OURS
    ] == ["lab/critic:beta"]
    relationships = rows_of(settings.data_root / "02_tasks/august/concept_combinations_relationships.csv")
    assert [(r["combo_id"], r["concept_id"]) for r in relationships] == [
        (combo, concept) for combo in (NUMBERED, STABLE) for concept in CONCEPTS
    ]


def test_only_a_combination_whose_level_is_known_enters_the_mappings(settings, run):
    run()
    mappings = read_combo_mappings(settings.data_root / "combo_mappings.csv")
    assert mappings == {STABLE: (frozenset(CONCEPTS), "paragraph", 2)}


def test_importing_twice_changes_nothing(settings, run, summaries):
    first = run()
    before = files_of(settings)
    rows = read_responses(engine_for(settings), "evaluation")
    second = run(now=NOW + timedelta(days=1))
    assert files_of(settings) == before
    assert read_responses(engine_for(settings), "evaluation") == rows
    assert len(runs_of_experiment(engine_for(settings), "legacy")) == 1
    assert counts(second, "already_there") == counts(first, "placed")
    assert counts(second, "placed") == {}
    assert second.is_complete


def test_a_dry_run_reports_the_same_and_writes_nothing(settings, run):
    planned = run(dry_run=True)
    assert not settings.data_root.exists()
    assert planned == dataclasses.replace(run(), dry_run=True)


def test_rows_and_essays_stay_when_they_are_derived_again(settings, run):
    # The original cut this essay shorter than our parser would.
    run({f"{ESSAYS}/{SLASHED}.txt": "Idle minds"})
    before, rows = files_of(settings), read_responses(engine_for(settings), "generation")
    refresh_rows(settings, "legacy")
    assert read_responses(engine_for(settings), "generation") == rows
    assert files_of(settings) == before
    assert DataRoot(settings.data_root).essay(SLASHED_OURS).read_text() == "Idle minds"


def test_an_import_that_was_interrupted_is_completed(settings, run, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("daydreaming.pipeline.import_legacy.index_answers", stop)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert read_responses(engine_for(settings), "evaluation") == []
    run()
    assert len(read_responses(engine_for(settings), "evaluation")) == 3
    assert len(runs_of_experiment(engine_for(settings), "legacy")) == 1


def test_two_folders_may_become_one_experiment(settings, run):
    run(without(f"{EVALUATIONS}/"))
    run(name="second")
    assert len(runs_of_experiment(engine_for(settings), "legacy")) == 2
    assert len(cells_of_experiment(engine_for(settings), "legacy", "evaluation")) == 3
    assert [r.waiting for r in experiment_status(settings, "legacy")] == [0, 0, 0]


# Where the task tables are missing


def test_without_task_tables_names_are_matched(settings, run):
    report = run(without("2_tasks/generation", "2_tasks/evaluation"))
    assert report.is_complete
    for theirs, ours in PLACES.items():
        assert (settings.data_root / ours).read_bytes() == FILES[theirs].encode(), ours


def test_a_folder_without_inputs_is_matched_against_ours(settings, run):
    own = f"{STABLE}_essay_free"
    judged = f"{own}_rigor_prov/judge"
    report = run(
        {
            **without("1_raw", "2_tasks", "3_", "4_"),
            f"{GENERATIONS}/{own}.txt": "An essay.",
            f"{EVALUATIONS}/{judged}.txt": "SCORE: 8",
        }
    )
    assert report.is_complete
    [row] = read_responses(engine_for(settings), "evaluation")
    assert (row["evaluation_task_id"], row["parser"], row["score_max"]) == (
        f"{own}_rigor_judge",
        "strict",
        9.0,
    )


def test_the_vendor_alone_may_name_a_generator(settings, run):
    generation = f"{STABLE}_02_problem_solving_deepseek"
    report = run(
        {
            f"{GENERATIONS}/{generation}.txt": "An essay.",
            f"{EVALUATIONS}/{generation}_creativity_metrics_deepseek/deepseek-r1:free.txt": "Score: 3/10",
        }
    )
    assert report.is_complete
    ids = [row["evaluation_task_id"] for row in read_responses(engine_for(settings), "evaluation")]
    assert f"{generation}_creativity_metrics_r1" in ids


def test_a_name_that_can_be_read_in_two_ways_is_not_placed(settings, run):
    name = f"{NUMBERED}_t_x_m"
    tables = {
        GENERATION_TEMPLATES: "template_id\nt\nt_x\nsynthesis-v3\n02_problem_solving\n",
        MODELS: FILES[MODELS] + "m,p/m,,,,,\nx_m,p/x_m,,,,,\n",
    }
    file = f"{GENERATIONS}/{name}.txt"
    report = run({**tables, file: "Whose?"})
    assert list(refused(report)) == [file]
    assert "can be read in 2 ways" in refused(report)[file]
    assert "template 't_x', model 'm'" in refused(report)[file]
    assert not DataRoot(settings.data_root).is_answered("generation", name)


def test_the_task_table_decides_what_a_name_could_mean(settings, run):
    name = f"{NUMBERED}_t_x_m"
    row = f"{name},{NUMBERED},t_x,m,p/m\n"
    report = run(
        {
            GENERATION_TEMPLATES: "template_id\nt\nt_x\nsynthesis-v3\n02_problem_solving\n",
            MODELS: FILES[MODELS] + "m,p/m,,,,,\nx_m,p/x_m,,,,,\n",
            GENERATION_TASKS: FILES[GENERATION_TASKS] + row,
            f"{GENERATIONS}/{name}.txt": "Whose?",
        }
    )
    assert report.is_complete
    rows = {row["generation_task_id"]: row for row in read_responses(engine_for(settings), "generation")}
    assert (rows[name]["generation_template"], rows[name]["generation_model"]) == ("t_x", "m")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"{NUMBERED}_unheard_of_r1", "no known combination, template and model"),
        (f"{NUMBERED}_synthesis-v3_unheard_of", "no known combination, template and model"),
        ("notes", "no known combination, template and model"),
        (f"{NUMBERED}_my template_r1", "generation template must be made of letters"),
        # A subfolder makes room for an ID that is too long for a file's name with us.
        (f"{NUMBERED}_synthesis-v3_{LONG}", "its ID must be at most 250 characters"),
    ],
)
def test_what_is_not_known_or_cannot_have_an_id_is_not_placed(settings, run, name, reason):
    tables = {
        GENERATION_TEMPLATES: f"{FILES[GENERATION_TEMPLATES]}my template,,,\n",
        "1_raw/generation_models.csv": f"model_name\n{LONG}\n",
    }
    report = run({**tables, f"{GENERATIONS}/{name}.txt": "An essay."})
    assert list(refused(report)) == [f"{GENERATIONS}/{name}.txt"]
    assert reason in refused(report)[f"{GENERATIONS}/{name}.txt"]
    assert counts(report, "placed")["generation_response"] == 2


def test_rows_of_the_task_table_that_contradict_each_other_decide_nothing(settings, run):
    rows = f"{PLAIN},{STABLE},02_problem_solving,r1,a\n{PLAIN},{STABLE},02_problem_solving,r1,b\n"
    report = run({GENERATION_TASKS: GENERATION_HEADER + rows})
    files = [f"{GENERATIONS}/{PLAIN}.txt", f"{GENERATION_PROMPTS}/{PLAIN}.txt"]
    files += [f"{EVALUATIONS}/{i}.txt" for i in (PLAIN_JUDGED, OLD_JUDGED)]
    assert set(files) <= set(refused(report))
    assert all("explains" in refused(report)[file] for file in files)


# Write-once


def test_an_answer_with_other_bytes_is_left_alone_and_its_verdicts_with_it(settings, run):
    target = DataRoot(settings.data_root).response("generation", PLAIN)
    target.parent.mkdir(parents=True)
    target.write_text("Another essay.")
    report = run()
    assert target.read_text() == "Another essay."
    assert not target.with_suffix(".json").exists()
    reasons = refused(report)
    assert "is there already with other bytes" in reasons[f"{GENERATIONS}/{PLAIN}.txt"]
    assert "its response was not placed" in reasons[f"{GENERATION_PROMPTS}/{PLAIN}.txt"]
    # A verdict on the folder's essay must not pass for one on the essay that is here.
    for judged in (PLAIN_JUDGED, OLD_JUDGED):
        assert f"its generation {PLAIN} was not placed" in reasons[f"{EVALUATIONS}/{judged}.txt"]
    assert [r["evaluation_task_id"] for r in read_responses(engine_for(settings), "evaluation")] == [
        SLASHED_JUDGED_OURS
    ]


def test_an_answer_with_the_same_bytes_keeps_its_record(settings, run):
    files = DataRoot(settings.data_root)
    files.write_response("generation", PLAIN, PLAIN_ANSWER, {"request_hash": "abc"})
    report = run()
    assert report.is_complete
    assert counts(report, "already_there") == {"generation_response": 1}
    assert files.read_provenance("generation", PLAIN) == {"request_hash": "abc"}


def test_a_verdict_without_the_answer_that_it_judges_is_not_placed(settings, run):
    report = run({f"{GENERATIONS}/{PLAIN}.txt": None})
    reasons = refused(report)
    for judged in (PLAIN_JUDGED, OLD_JUDGED):
        assert "has no response in the folder" in reasons.pop(f"{EVALUATIONS}/{judged}.txt")
    assert list(reasons) == [f"{EVALUATION_PROMPTS}/{PLAIN_JUDGED}.txt"]
    # A prompt without an answer is what a failed call leaves.
    assert (settings.data_root / PLACES[f"{GENERATION_PROMPTS}/{PLAIN}.txt"]).exists()


@pytest.mark.parametrize("table", [True, False])
def test_a_verdict_is_not_placed_with_an_answer_that_has_but_the_same_id_here(settings, run, table):
    rows = f"{SLASHED_JUDGED},{SLASHED},style-v2,qwen/qwq-32b:free,\n" if table else ""
    answers = {f"{GENERATIONS}/{SLASHED}.txt": None, f"{GENERATIONS}/{SLASHED_OURS}.txt": "Newer."}
    report = run({**answers, EVALUATION_TASKS: FILES[EVALUATION_TASKS] + rows})
    reasons = refused(report)
    assert reasons == {
        f"{EVALUATIONS}/{SLASHED_JUDGED}.txt": (
            f"its generation {SLASHED} has no response in the folder ({SLASHED_OURS}, which becomes the same "
            "ID, may be another): a verdict is imported only with the answer that it judges. Add that file."
        ),
        f"{ESSAYS}/{SLASHED}.txt": f"the response that it was cut out of is not in the folder ({SLASHED_OURS}"
        ", which becomes the same ID, may be another).",
    }
    files = DataRoot(settings.data_root)
    assert files.essay(SLASHED_OURS).read_text() == "Newer."
    assert not files.is_answered("evaluation", SLASHED_JUDGED_OURS)


def test_a_verdict_on_a_replicate_is_not_placed_with_the_answer_of_another(settings, run):
    second, judged = f"{PLAIN}_rep2", f"{PLAIN}_rep2_style-v2_qwq"
    tables = {
        GENERATION_TASKS: f"{FILES[GENERATION_TASKS]}{second},{STABLE},02_problem_solving,r1,\n",
        EVALUATION_TASKS: f"{FILES[EVALUATION_TASKS]}{judged},{second},style-v2,qwq,\n",
    }
    verdict = {f"{EVALUATIONS}/{judged}.txt": "SCORE: 9"}
    report = run({**tables, **verdict}, dry_run=True)
    assert list(refused(report)) == [f"{EVALUATIONS}/{judged}.txt"]
    # With its own answer, and the other one gone, it is the other verdicts that have none.
    answers = {f"{GENERATIONS}/{PLAIN}.txt": None, f"{GENERATIONS}/{second}.txt": "The second."}
    report = run({**tables, **verdict, **answers}, name="second")
    reasons = refused(report)
    assert "which becomes the same ID, may be another" in reasons[f"{GENERATION_PROMPTS}/{PLAIN}.txt"]
    assert {f"{EVALUATIONS}/{i}.txt" for i in (PLAIN_JUDGED, OLD_JUDGED)} < reasons.keys()
    assert f"{EVALUATIONS}/{judged}.txt" not in reasons
    assert DataRoot(settings.data_root).read_response("evaluation", judged) == "SCORE: 9"


def test_a_verdict_that_is_not_placed_does_not_keep_back_the_prompt_of_one_that_is(settings, run):
    newer = f"{SLASHED_OURS}_style-v2_qwq"
    report = run(
        {
            f"{GENERATIONS}/{SLASHED}.txt": None,
            f"{ESSAYS}/{SLASHED}.txt": None,
            f"{GENERATIONS}/{SLASHED_OURS}.txt": "Essay:\nNewer.\n",
            f"{EVALUATIONS}/{newer}.txt": "SCORE: 4",
            f"{EVALUATION_PROMPTS}/{newer}.txt": "How good is Newer?",
        }
    )
    assert list(refused(report)) == [f"{EVALUATIONS}/{SLASHED_JUDGED}.txt"]
    assert DataRoot(settings.data_root).read_response("evaluation", newer) == "SCORE: 4"
    assert DataRoot(settings.data_root).prompt("evaluation", newer).exists()


def test_an_answer_that_is_no_utf8_is_not_placed(settings, run):
    report = run({f"{GENERATIONS}/{SLASHED}.txt": b"Essay:\n\xffIdle."})
    reasons = refused(report)
    assert "not UTF-8 (byte 7)" in reasons[f"{GENERATIONS}/{SLASHED}.txt"]
    assert set(reasons) == {f"{GENERATIONS}/{SLASHED}.txt", f"{ESSAYS}/{SLASHED}.txt",
                            f"{EVALUATIONS}/{SLASHED_JUDGED}.txt"}  # fmt: skip
    assert not DataRoot(settings.data_root).is_answered("generation", SLASHED_OURS)


@pytest.mark.parametrize(
    ("text", "is_same"), [(FILES[f"{GENERATIONS}/{SLASHED}.txt"], True), ("Other.", False)]
)
def test_two_ids_that_become_one_are_placed_once(settings, run, text, is_same):
    report = run({f"{GENERATIONS}/{SLASHED_OURS}.txt": text})
    files = DataRoot(settings.data_root)
    # The ID that needs no change comes first.
    assert files.read_response("generation", SLASHED_OURS) == text
    assert files.read_provenance("generation", SLASHED_OURS)["imported_id"] == SLASHED_OURS
    if is_same:
        assert report.is_complete
        assert counts(report, "already_there") == {"generation_response": 1}
    else:
        assert "another file of the folder becomes" in refused(report)[f"{GENERATIONS}/{SLASHED}.txt"]
        # Which of the two essays was judged is not certain.
        assert f"{EVALUATIONS}/{SLASHED_JUDGED}.txt" in refused(report)


def test_an_answer_that_lands_meanwhile_is_left_alone(settings, run, monkeypatch):
    write, files = DataRoot.write_response, DataRoot(settings.data_root)

    def overtaken(self, stage, cell_id, text, record):
        write(self, stage, cell_id, "Of another process.", {"request_hash": "abc"})
        return write(self, stage, cell_id, text, record)

    monkeypatch.setattr(DataRoot, "write_response", overtaken)
    report = run(without(EVALUATIONS, ESSAYS, f"{GENERATIONS}/{SLASHED}"))
    assert counts(report, "placed") == {"generation_prompt": 1, "evaluation_prompt": 1}
    assert "another process wrote it meanwhile" in refused(report)[f"{GENERATIONS}/{PLAIN}.txt"]
    assert files.read_response("generation", PLAIN) == "Of another process."


# Essays


def test_an_essay_of_an_answer_in_which_we_find_none_is_not_kept(settings, run):
    other = f"{NUMBERED}_synthesis-v3_qwq"
    report = run({f"{GENERATIONS}/{other}.txt": "All of it.", f"{ESSAYS}/{other}.txt": "All of it."})
    assert list(refused(report)) == [f"{ESSAYS}/{other}.txt"]
    assert "no essay is kept of an answer in which we find none" in refused(report)[f"{ESSAYS}/{other}.txt"]
    assert not DataRoot(settings.data_root).essay(other).exists()
    rows = {row["generation_task_id"]: row for row in read_responses(engine_for(settings), "generation")}
    assert "no essay: looked for a header" in rows[other]["essay_error"]


def test_an_essay_without_its_answer_is_not_placed(settings, run):
    other = f"{NUMBERED}_synthesis-v3_qwq"
    report = run({f"{ESSAYS}/{other}.txt": "An essay."})
    assert "is not in the folder" in refused(report)[f"{ESSAYS}/{other}.txt"]


@pytest.mark.parametrize(
    ("essay", "notes"), [(SLASHED_ESSAY, 0), ("Idle minds search.", 0), ("Idle minds", 1)]
)
def test_essays_that_we_would_cut_otherwise_are_counted(run, essay, notes):
    report = run({f"{ESSAYS}/{SLASHED}.txt": essay}, dry_run=True)
    assert [note[:17] for note in report.notes] == ["1 essays are kept"] * notes


def test_the_essay_is_the_originals(settings, run):
    run()
    assert DataRoot(settings.data_root).essay(SLASHED_OURS).read_text() == SLASHED_ESSAY


def test_an_essay_that_turns_up_later_changes_the_parser_of_all(settings, run):
    other = f"{NUMBERED}_synthesis-v3_qwq"
    answer = {f"{GENERATIONS}/{other}.txt": "Essay:\nMinds wander."}
    run({**answer, f"{ESSAYS}/{SLASHED}.txt": None})
    assert DataRoot(settings.data_root).essay(other).read_text() == "Essay:\nMinds wander."
    run(answer, name="with-essay", now=NOW + timedelta(days=1))
    assert DataRoot(settings.data_root).essay(other).read_text() == "Minds wander."
    assert DataRoot(settings.data_root).essay(SLASHED_OURS).read_text() == SLASHED_ESSAY


def test_an_essay_of_an_answer_of_our_own_is_left_alone(settings, run):
    files = DataRoot(settings.data_root)
    files.write_response("generation", SLASHED_OURS, SLASHED_ANSWER, {"request_hash": "abc"})
    files.essay(SLASHED_OURS).parent.mkdir(parents=True)
    files.essay(SLASHED_OURS).write_text("As we cut it.")
    report = run(dry_run=True)
    assert "is there already with other bytes" in refused(report)[f"{ESSAYS}/{SLASHED}.txt"]


# Combinations


def test_a_combination_of_which_nothing_is_known_is_imported_all_the_same(settings, run):
    report = run({RELATIONSHIPS: None})
    assert report.is_complete
    assert report.notes == (
        "1 combinations are imported without their concepts: no table of the folder names them.",
    )
    scores = rows_of(settings.data_root / "05_parsing/legacy/parsed_scores.csv")
    assert {(row["combo_id"], row["description_level"], row["k_max"]) for row in scores} == {
        (NUMBERED, "", "0"),
        (STABLE, "paragraph", "2"),
    }
    # The table turns up later.
    run(name="again")
    relationships = rows_of(settings.data_root / "02_tasks/legacy/concept_combinations_relationships.csv")
    assert (NUMBERED, "idle-mind") in {(row["combo_id"], row["concept_id"]) for row in relationships}


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (f"combo_id,concept_id\n{NUMBERED},wide-search\n", "and for idle-mind+wide-search"),
        (None, "the folder does not say what it stands for there"),
    ],
)
def test_a_number_that_stands_for_another_combination_here_is_not_placed(settings, run, table, reason):
    run()
    other = f"{NUMBERED}_02_problem_solving_qwq"
    report = run({RELATIONSHIPS: table, f"{GENERATIONS}/{other}.txt": "New."}, name="second")
    assert reason in refused(report)[f"{GENERATIONS}/{other}.txt"]
    assert not DataRoot(settings.data_root).is_answered("generation", other)


def test_a_stable_id_needs_no_account_of_its_concepts(settings, run):
    run()
    other = f"{STABLE}_synthesis-v3_qwq"
    report = run({MAPPINGS: None, f"{GENERATIONS}/{other}.txt": "Essay:\nNew."}, name="second")
    assert report.is_complete
    assert DataRoot(settings.data_root).is_answered("generation", other)


def test_a_stable_id_that_stands_for_other_concepts_is_not_placed(settings, run):
    run()
    rows = f"{STABLE},v1,idle-mind,article,1,\n"
    report = run({MAPPINGS: MAPPING_HEADER + rows}, name="second")
    assert (
        f"{STABLE} stands for idle-mind (article, k_max 1) in the folder"
        in refused(report)[f"{GENERATIONS}/{PLAIN}.txt"]
    )


#: Without what `verify` names of any import: an unscored verdict, an essay that was cut otherwise.
CLEAN = without(ESSAYS, f"{EVALUATIONS}/{OLD_JUDGED}")
#: Names a concept that the folder's tables of concepts have no more.
RENAMED = {MAPPINGS: f"{FILES[MAPPINGS]}{STABLE},v1,renamed-since,paragraph,2,\n"}


def test_a_root_with_a_concept_that_no_table_explains_is_verified_all_the_same(settings, run, summaries):
    run({**CLEAN, **RENAMED})
    report = verify(settings)
    assert report.is_clean
    assert report.checked["evaluations"] == 2


def test_so_is_one_that_knows_a_combination_better_than_the_folder_does(settings, run, summaries):
    run(CLEAN)
    run({**CLEAN, **without("1_raw/concepts", MAPPINGS)}, name="second", experiment_id="second")
    assert verify(settings).is_clean


def test_a_prompt_with_a_concept_that_no_table_explains_is_refused_with_its_name(settings, run):
    run(RENAMED)
    with pytest.raises(StoreError, match=r"do not hold the concept 'renamed-since' of combo_v1_.* Add it"):
        build_request(_latest_call(settings, PLAIN))
    concepts = "1_raw/concepts/concepts_metadata.csv"
    mended = {**RENAMED, concepts: f"{FILES[concepts]}renamed-since,Renamed,True\n"}
    run(mended, name="mended", now=NOW + timedelta(days=1))
    assert "Renamed" in build_request(_latest_call(settings, PLAIN)).prompt


def _latest_call(settings: Settings, cell_id: str) -> CellCall:
    planned = cells_of_experiment(engine_for(settings), "legacy", "generation")
    return open_calls(settings, "legacy", planned)[cell_id]


# With runs of our own


def test_an_imported_answer_is_never_stale_and_never_asked_for_again(settings, run):
    own = planned_run(settings, generation_templates=["essay"], generation_models=["free"])
    call = open_call(settings, own.run_id, "generation", 0)
    run({**without("3_", "4_"), f"{GENERATIONS}/{call.cell.cell_id}.txt": "An old essay."})
    assert call.inputs.params["on_stale"] == "fail"
    assert settle_stored(call, build_request(call))
    assert call.files.read_response("generation", call.cell.cell_id) == "An old essay."


def test_answers_of_our_own_runs_keep_their_rows(settings, run):
    planned_run(settings)
    call = answer_call(settings, "run-1", "generation", 0)
    before = read_responses(engine_for(settings), "generation", [call.cell.cell_id])
    run()
    assert read_responses(engine_for(settings), "generation", [call.cell.cell_id]) == before
    assert {row.experiment_id for row in experiment_status(settings)} == {"demo", "legacy"}


def test_rows_of_the_task_tables_without_an_answer_are_counted_and_not_planned(settings, run):
    row = f"{PLAIN}_style-v2_qwq,{PLAIN},style-v2,qwq,qwen/qwq-32b:free\n"
    report = run({EVALUATION_TASKS: f"{EVALUATION_HEADER}{row}"})
    assert report.notes == ("1 rows of the task tables have no response: they are not planned here.",)
    assert len(cells_of_experiment(engine_for(settings), "legacy", "evaluation")) == 3


@pytest.mark.parametrize("kept", [f"{GENERATIONS}/{PLAIN}", GENERATION_PROMPTS])
def test_a_folder_with_one_kind_of_file_is_imported(settings, run, summaries, kept):
    gone = {name: None for name in FILES if name[:2] in ("3_", "4_") and not name.startswith(kept)}
    report = run(gone)
    assert report.is_complete
    assert sum(counts(report, "placed").values()) == 1


# What is refused


@pytest.mark.parametrize("experiment_id", ["a/b", "", "..", "x" * 101])
def test_a_bad_experiment_id_is_refused(settings, run, experiment_id):
    with pytest.raises(InputError, match=r"experiment.id must"):
        run(experiment_id=experiment_id)
    assert not settings.data_root.exists()


def test_the_data_root_itself_is_refused(settings):
    make_legacy_folder(settings.data_root)
    with pytest.raises(InputError, match="is the data root itself"):
        import_legacy(settings, settings.data_root, now=NOW)
