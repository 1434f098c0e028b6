"""The shapes in which the Dagster original keeps a data folder."""

from __future__ import annotations

import json

import pytest

from daydreaming.design.combinations import Combination
from daydreaming.errors import InputError
from daydreaming.inputs.legacy import read_legacy
from daydreaming.inputs.legacy_models import LegacyModel, model_name
from daydreaming.inputs.legacy_tasks import EvaluationTask, GenerationTask
from tests.support.legacy_folder import (
    CONCEPTS,
    ESSAYS,
    EVALUATION_TASKS,
    EVALUATION_TEMPLATES,
    EVALUATIONS,
    FILES,
    GENERATION_HEADER,
    GENERATION_TASKS,
    GENERATION_TEMPLATES,
    GENERATIONS,
    MAPPING_HEADER,
    MAPPINGS,
    MODELS,
    NUMBERED,
    PLAIN,
    PLAIN_JUDGED,
    RELATIONSHIPS,
    SLASHED,
    SLASHED_JUDGED,
    STABLE,
    make_legacy_folder,
    without,
)

CONCEPTS_CSV = "1_raw/concepts/concepts_metadata.csv"
CONCEPTS_JSON = "1_raw/concepts/day_dreaming_concepts.json"


def read(path, overrides=None):
    return read_legacy(make_legacy_folder(path / "data", overrides))


def problem_of(folder):
    [problem] = folder.problems
    return problem


def test_a_whole_folder_is_read_without_a_problem(tmp_path):
    folder = read(tmp_path)
    assert folder.problems == ()
    assert folder.tasks.generations == {
        PLAIN: GenerationTask(PLAIN, STABLE, "02_problem_solving", "r1", "deepseek/deepseek-r1:free")
    }
    assert folder.tasks.evaluations == {
        PLAIN_JUDGED: EvaluationTask(PLAIN_JUDGED, PLAIN, "creativity_metrics", "qwq", "qwen/qwq-32b:free")
    }
    assert folder.combinations == {
        STABLE: Combination(STABLE, CONCEPTS, "paragraph", 2),
        NUMBERED: Combination(NUMBERED, CONCEPTS, "", 2),
    }
    assert list(folder.templates["generation"]) == ["02_problem_solving", "synthesis-v3"]
    assert folder.templates["evaluation"]["style-v2"].text == "How good is {{ response }}?\n"


def test_an_id_with_a_slash_is_a_path(tmp_path):
    files = {(file.kind, file.legacy_id): file.relative for file in read(tmp_path).layout.files}
    assert files["generation_response", SLASHED] == f"{GENERATIONS}/{SLASHED}.txt"
    assert files["evaluation_response", SLASHED_JUDGED] == f"{EVALUATIONS}/{SLASHED_JUDGED}.txt"
    assert files["essay", SLASHED] == f"{ESSAYS}/{SLASHED}.txt"
    assert len(files) == 8


def test_folders_may_have_the_names_with_a_leading_zero(tmp_path):
    renamed = dict.fromkeys(FILES) | {
        name if name == MAPPINGS else f"0{name}": text for name, text in FILES.items()
    }
    folder = read(tmp_path, renamed)
    assert folder.problems == ()
    assert len(folder.layout.files) == 8
    assert (len(folder.tasks.generations), len(folder.models), len(folder.concepts)) == (1, 3, 2)


# Concepts


def test_concepts_are_read_from_the_table_with_their_texts(tmp_path):
    concepts = read(tmp_path).concepts
    assert {i: (c.name, dict(c.descriptions)) for i, c in concepts.items()} == {
        "idle-mind": ("Idle mind", {"paragraph": "A mind with nothing to do."}),
        "wide-search": ("Wide search", {"sentence": "Look everywhere."}),
    }


def test_concepts_are_read_from_json(tmp_path):
    entry = {"concept_id": "idle-mind", "name": "Idle mind", "sentence": "Rests.", "article_path": "idle.txt"}
    text = json.dumps({"version": "1.0", "articles_dir": "articles", "concepts": [entry]})
    folder = read(
        tmp_path,
        {**without("1_raw/concepts"), CONCEPTS_JSON: text, "1_raw/concepts/articles/idle.txt": "Long.\n"},
    )
    assert folder.concepts["idle-mind"].descriptions == {"sentence": "Rests.", "article": "Long."}
    assert folder.problems == ()


def test_a_table_beside_the_json_adds_to_it(tmp_path):
    text = json.dumps([{"concept_id": "idle-mind", "name": "The idle mind", "article": "Long."}])
    concepts = read(tmp_path, {CONCEPTS_JSON: text}).concepts
    assert concepts["idle-mind"].descriptions == {
        "article": "Long.",
        "paragraph": "A mind with nothing to do.",
    }
    assert list(concepts) == ["idle-mind", "wide-search"]


def test_concepts_may_lie_beside_the_folder_of_concepts(tmp_path):
    text = FILES[CONCEPTS_CSV]
    folder = read(tmp_path, {**without("1_raw/concepts"), "1_raw/concepts_metadata.csv": text})
    assert list(folder.concepts) == ["idle-mind", "wide-search"]


def test_an_article_outside_the_folder_is_not_read(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    entry = {"concept_id": "c", "name": "C", "article_path": "../../../../secret.txt"}
    article = "1_raw/concepts/articles/c.txt"
    folder = read(tmp_path, {CONCEPTS_JSON: json.dumps([entry]), article: "Long."})
    assert folder.concepts["c"].descriptions == {}
    entry["article_path"] = "../articles/c.txt"
    folder = read(tmp_path, {CONCEPTS_JSON: json.dumps([entry])})
    assert folder.concepts["c"].descriptions == {"article": "Long."}


def _with_article_path(tmp_path, given):
    entry = {"concept_id": "c", "name": "C", "sentence": "Short.", "article_path": given}
    return read(tmp_path, {**without("1_raw/concepts"), CONCEPTS_JSON: json.dumps([entry])})


def test_an_article_path_that_no_file_can_have_is_a_problem(tmp_path):
    folder = _with_article_path(tmp_path, "a\0b.txt")
    assert folder.concepts["c"].descriptions == {"sentence": "Short."}
    problem = problem_of(folder)
    assert (problem.kind, problem.file) == ("concept", CONCEPTS_JSON)
    assert problem.reason.startswith(r"no file can have the article_path 'a\x00b.txt' (")


# Whether such a path is an error or simply no file depends on the version of Python.
@pytest.mark.parametrize("given", ["a" * 300, "loop/a.txt"])
def test_an_article_path_that_leads_nowhere_does_not_end_the_reading(tmp_path, given):
    (tmp_path / "data/1_raw/concepts/articles").mkdir(parents=True)
    (tmp_path / "data/1_raw/concepts/articles/loop").symlink_to("loop")
    assert _with_article_path(tmp_path, given).concepts["c"].descriptions == {"sentence": "Short."}


def test_json_with_half_a_character_is_a_problem(tmp_path):
    folder = read(tmp_path, {CONCEPTS_JSON: r'[{"concept_id": "c", "name": "\ud800"}]'})
    assert list(folder.concepts) == ["idle-mind", "wide-search"]
    assert "not valid JSON ('utf-8' codec" in problem_of(folder).reason


@pytest.mark.parametrize("concept_id", ["../up", "two words", "über", "c_rep2"])
def test_a_concept_with_an_id_that_ours_may_not_be_is_a_problem(tmp_path, concept_id):
    folder = read(tmp_path, {CONCEPTS_CSV: f"concept_id,name\n{concept_id},Up\n"})
    assert folder.concepts == {}
    assert problem_of(folder).kind == "concept"
    assert concept_id in problem_of(folder).reason


# Models


def test_models_of_all_tables_are_known_by_every_spelling(tmp_path):
    models = read(tmp_path).models
    assert models[0] == LegacyModel("r1", "deepseek/deepseek-r1:free", "", "deepseek", "R1 (Free)")
    assert models[0].spellings == {"r1", "deepseek/deepseek-r1:free", "deepseek__deepseek-r1_free"}
    assert models[2].spellings == {"lab/critic:beta", "critic", "lab__critic_beta"}


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("a", "x/a"),
        ("x/a", "x/a"),
        ("x__a", "x/a"),
        ("short", "x/b"),
        # An ID is meant before a short name is.
        ("b", "x/c"),
        # Two models under one short name: which of them was called is not known.
        ("same", ""),
        ("x/d", "x/d"),
        ("nobody", ""),
    ],
)
def test_the_name_of_a_model_is_known_by_any_spelling_that_is_its_own(spelling, name):
    models = [
        LegacyModel("a", "x/a", "", "", ""),
        LegacyModel("", "x/b", "short", "", ""),
        LegacyModel("b", "x/c", "", "", ""),
        LegacyModel("", "x/z", "b", "", ""),
        LegacyModel("d1", "x/d", "same", "", ""),
        LegacyModel("d2", "x/d2", "same", "", ""),
    ]
    assert model_name(spelling, models) == name


# Combinations


def test_combo_mappings_decide_before_the_tables_of_one_plan(tmp_path):
    folder = read(
        tmp_path, {RELATIONSHIPS: f"combo_id,concept_id,position\n{STABLE},other,1\n{NUMBERED},idle-mind,1\n"}
    )
    assert folder.combinations[STABLE].concept_ids == CONCEPTS
    assert folder.combinations[NUMBERED].concept_ids == ("idle-mind",)


@pytest.mark.parametrize("place", ["2_tasks/combo_mappings.csv", "1_raw/combo_mappings.csv",
                                   "2_tasks/selected_combo_mappings.csv"])  # fmt: skip
def test_combo_mappings_are_found_wherever_they_were_kept(tmp_path, place):
    folder = read(tmp_path, {MAPPINGS: None, place: FILES[MAPPINGS]})
    assert folder.combinations[STABLE] == Combination(STABLE, CONCEPTS, "paragraph", 2)


def test_a_level_in_a_table_of_its_own_is_joined(tmp_path):
    table = f"combo_id,description_level,k_max,concept_count\n{NUMBERED},article,2,2\n"
    folder = read(tmp_path, {"2_tasks/concept_combinations_combinations.csv": table})
    assert folder.combinations[NUMBERED] == Combination(NUMBERED, CONCEPTS, "article", 2)


def test_pairs_without_position_are_read_too(tmp_path):
    table = f"combo_id,concept_id\n{NUMBERED},wide-search\n"
    folder = read(tmp_path, {RELATIONSHIPS: None, "2_tasks/content_combinations_csv.csv": table})
    assert folder.combinations[NUMBERED].concept_ids == ("wide-search",)


@pytest.mark.parametrize(("level", "k_max"), [("novel", "2"), ("paragraph", "two"), ("paragraph", "²")])
def test_a_combination_that_makes_no_sense_is_a_problem(tmp_path, level, k_max):
    folder = read(tmp_path, {MAPPINGS: f"{MAPPING_HEADER}{STABLE},v1,idle-mind,{level},{k_max},\n"})
    assert STABLE not in folder.combinations
    problem = problem_of(folder)
    assert (problem.kind, problem.file) == ("combination", MAPPINGS)
    assert repr(level) in problem.reason
    assert repr(k_max) in problem.reason


# Tables


def test_a_table_of_a_spreadsheet_is_read(tmp_path):
    text = "\ufeff" + FILES[MODELS].replace("\n", "\r\n")
    assert read(tmp_path, {MODELS: text}).models == read(tmp_path / "plain").models


def test_rows_that_repeat_are_one_and_rows_that_differ_are_none(tmp_path):
    row = FILES[GENERATION_TASKS].splitlines()[1]
    folder = read(tmp_path, {GENERATION_TASKS: f"{GENERATION_HEADER}{row}\n{row}\n"})
    assert list(folder.tasks.generations) == [PLAIN]
    other = row.replace(",r1,", ",r2,")
    folder = read(tmp_path / "other", {GENERATION_TASKS: f"{GENERATION_HEADER}{row}\n{other}\n"})
    assert folder.tasks.generations == {}
    assert folder.tasks.contradictory == {PLAIN}


def test_task_tables_without_the_providers_names_are_read(tmp_path):
    text = f"generation_task_id,combo_id,generation_template,generation_model\n{PLAIN},{STABLE},t,r1\n"
    folder = read(tmp_path, {GENERATION_TASKS: text})
    assert folder.tasks.generations[PLAIN] == GenerationTask(PLAIN, STABLE, "t", "r1", "")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (GENERATION_TASKS, "task,combo\na,b\n", "no column generation_task_id, combo_id"),
        (EVALUATION_TASKS, "evaluation_task_id,essay_task_id\na,b\n", "no column generation_task_id"),
        (GENERATION_TEMPLATES, "id,name\na,b\n", "no column template_id"),
        (MODELS, b"id,model\n\xff,b\n", "not UTF-8"),
        (EVALUATION_TEMPLATES, 'template_id\n"open', "not valid CSV"),
        (CONCEPTS_JSON, "{", "not valid JSON"),
        (CONCEPTS_JSON, '{"concepts": [1]}', "list of concepts"),
        (CONCEPTS_JSON, '{"concepts": {}}', "list of concepts"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_problem_and_the_rest_is_read(tmp_path, name, content, reason):
    folder = read(tmp_path, {name: content})
    problem = problem_of(folder)
    assert (problem.kind, problem.file) == ("table", name)
    assert reason in problem.reason
    assert len(folder.layout.files) == 8


def test_tables_may_be_missing(tmp_path):
    folder = read(tmp_path, without("1_raw", "2_tasks", MAPPINGS))
    assert (folder.problems, folder.models, folder.concepts, folder.combinations) == ((), (), {}, {})


def test_a_template_that_no_row_names_any_more_is_known_by_its_file(tmp_path):
    folder = read(tmp_path, {"1_raw/generation_templates/old_one.txt": "Old.\n"})
    assert folder.templates["generation"]["old_one"].text == "Old.\n"


# What is of no known shape


@pytest.mark.parametrize(
    ("name", "kind", "file", "reason"),
    [
        ("3_generation/essay_responses/a.txt", "folder", "3_generation/essay_responses", "holds 1 files"),
        ("4_evaluation/notes.txt", "file", "4_evaluation/notes.txt", "says nothing"),
        (f"{GENERATIONS}/a.json", "generation_response", f"{GENERATIONS}/a.json", "does not end in .txt"),
    ],
)
def test_what_has_no_known_shape_is_a_problem(tmp_path, name, kind, file, reason):
    problem = problem_of(read(tmp_path, {name: "text"}))
    assert (problem.kind, problem.file) == (kind, file)
    assert reason in problem.reason


@pytest.mark.parametrize(
    "name",
    [
        f"{GENERATIONS}/.gitkeep",
        f"{GENERATIONS}/.cache/a.txt",
        "4_evaluation/.DS_Store",
        "5_parsing/parsed_scores.csv",
        "7_reporting/errors.csv",
    ],
)
def test_hidden_files_and_derived_tables_are_passed_over(tmp_path, name):
    folder = read(tmp_path, {name: "text"})
    assert folder.problems == ()
    assert len(folder.layout.files) == 8


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("nowhere", r"nowhere: no such folder\. Name the data folder"),
        ("old/data/combo_mappings.csv", r"is no folder\."),
        ("empty", r"no text file in 3_generation/generation_responses, .*\. Name the data folder"),
        ("old", r"Did you mean .*old/data\?"),
        ("old/data/3_generation", r"Did you mean .*old/data\?"),
    ],
)
def test_a_folder_without_anything_of_the_original_is_refused(tmp_path, where, message):
    make_legacy_folder(tmp_path / "old/data")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        read_legacy(tmp_path / where)
