from __future__ import annotations

import re

import pytest

from daydreaming.errors import InputError
from daydreaming.inputs.load import load_inputs
from daydreaming.inputs.params import ExperimentParams

CONCEPTS = "01_raw/concepts/concepts_metadata.csv"
GENERATION = "01_raw/generation_templates.csv"
EVALUATION = "01_raw/evaluation_templates.csv"
MODELS = "01_raw/llm_models.csv"
ESSAY = "01_raw/generation_templates/essay.txt"
RIGOR = "01_raw/evaluation_templates/rigor.txt"
MOAT = "01_raw/concepts/descriptions-article/moat.txt"


def params(**given):
    return ExperimentParams(**{"k_max": 2, **given})


def problems_of(root, pools=None, **given):
    with pytest.raises(InputError) as caught:
        load_inputs(root, params(**given), pools)
    return caught.value.problems


def test_all_active_rows_are_selected_in_the_order_of_the_files(root):
    inputs = load_inputs(root, params())
    assert [c.concept_id for c in inputs.concepts] == ["mind-wandering", "search", "moat"]
    assert [t.template_id for t in inputs.generation_templates] == ["essay", "tags"]
    assert [t.template_id for t in inputs.evaluation_templates] == ["rigor", "style"]
    assert [m.id for m in inputs.generation_models] == ["free", "paid"]
    assert [m.id for m in inputs.evaluation_models] == ["free", "judge"]
    assert inputs.generation_model("free").extra_body == {"seed": 1}
    assert inputs.generation_model("free").rpm == 20
    assert inputs.evaluation_template("rigor").score_max == 9
    assert inputs.generation_template("essay").description == "Plain, short"


def test_descriptions_fall_back_from_level_to_level(root):
    inputs = load_inputs(root, params())
    assert inputs.concept("mind-wandering").content("paragraph") == "Thought drifts, and finds."
    assert inputs.concept("search").content("article") == "Try pairs."
    assert inputs.concept("moat").content("paragraph") == "Economic moat"


def test_naming_an_inactive_row_selects_it(root):
    inputs = load_inputs(root, params(concepts=["search", "dream"], generation_models=["local"]))
    assert [c.concept_id for c in inputs.concepts] == ["search", "dream"]
    assert [m.id for m in inputs.generation_models] == ["local"]


def test_models_are_active_without_the_active_column(root):
    path = root / MODELS
    path.write_text(re.sub(r",(active|true|false)$", "", path.read_text(), flags=re.MULTILINE))
    assert [m.id for m in load_inputs(root, params()).generation_models] == ["free", "paid", "local"]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        (
            CONCEPTS,
            "concept_id,name,active",
            "concept_id,name",
            r"concepts_metadata.csv, row 1: missing column active",
        ),
        (CONCEPTS, "name,active", "name,activ", r"row 1: unknown column 'activ'\. Did you mean active\?"),
        (CONCEPTS, "name,active", "name,name", r"row 1: column 'name' is there twice"),
        (
            CONCEPTS,
            "moat,Economic moat",
            "search,Economic moat",
            r"row 4: concept_id 'search' is in row 3 already",
        ),
        (CONCEPTS, "moat,", "mo at,", r"row 4: concept_id must be made of letters .*; got 'mo at'"),
        (CONCEPTS, "moat,", "../moat,", r"row 4: concept_id must be made of letters"),
        (CONCEPTS, "moat,", "moat_rep2,", r"row 4: concept_id must not end in '_rep' and digits"),
        (CONCEPTS, "moat,E", f"{'m' * 251},E", r"row 4: concept_id must be at most 250 characters"),
        (
            CONCEPTS,
            "Economic moat,true",
            "Economic moat,maybe",
            r"row 4: active must be true or false; got 'maybe'",
        ),
        (CONCEPTS, "Economic moat,true", ",true", r"row 4: name must not be empty"),
        (CONCEPTS, "Economic moat,true", "Economic, moat,true", r"row 4: has 4 cells, the header has 3"),
        (CONCEPTS, "Economic moat,true", "Economic moat", r"row 4: has 2 cells, the header has 3"),
        (CONCEPTS, "moat,Economic moat,true", ",,", r"row 4: has only empty cells\. Delete the row"),
        (CONCEPTS, "Economic moat", '"Economic moat', r"row 4: not valid CSV"),
        (
            CONCEPTS,
            "moat,Economic moat",
            "canal,Canal",
            r"row 4: concept 'canal' has no description at any level",
        ),
        (
            GENERATION,
            "xml_tags",
            "xml_tag",
            r"row 3: parser must be one of .*; got 'xml_tag'\. Did you mean xml_tags",
        ),
        (GENERATION, "tags,", "tagz,", r"generation_templates/tagz.txt .*row 3\): missing"),
        (EVALUATION, "strict,0,9", "strict,9,9", r"row 2: score_min must be below score_max; got 9 and 9"),
        (EVALUATION, "strict,0,9", "strict,0,nan", r"row 2: score_max must be a number; got 'nan'"),
        (EVALUATION, "line,0,10", "line,0,100", r"row 3: parser 'in_last_line' reads scores from 0 to 10"),
        (
            MODELS,
            "0.15,0.6",
            "-1,0.6",
            r"row 3: usd_per_1m_input must be a number of at least 0, or empty; got '-1'",
        ),
        (MODELS, "0.15,0.6", "0.15,NaN", r"row 3: usd_per_1m_output must be a number of at least 0"),
        (
            MODELS,
            ",20,,50,",
            ",0,,50,",
            r"row 2: rpm must be a whole number of at least 1, or empty; got '0'",
        ),
        (MODELS, ",20,,50,", ",20,1.5,50,", r"row 2: tpm must be a whole number"),
        (MODELS, '"{""seed"": 1}"', '"{""seed"": }"', r"row 2: extra_body must be a JSON object or empty \("),
        (MODELS, '"{""seed"": 1}"', '"[1]"', r"row 2: extra_body must be a JSON object or empty; got"),
        (
            MODELS,
            '"{""seed"": 1}"',
            '"{""seed"": 1, ""n"": 4, ""max_tokens"": 99999}"',
            r"row 2: extra_body must not set max_tokens, n: the experiment sets",
        ),
        (MODELS, '"{""seed"": 1}"', '"{""seed"": NaN}"', r"row 2: extra_body .*NaN is no JSON"),
        (MODELS, "local_llm", "", r"row 5: conn_id must not be empty"),
        (ESSAY, "{% endfor %}", "", r"essay.txt.*: line \d: does not compile"),
        (
            ESSAY,
            "in concepts",
            "in concept",
            r"essay.txt.*: uses concept, which it will not get; it gets concepts",
        ),
        (ESSAY, "c.content", "c.contnet", r"essay.txt.*: line 1: .*no attribute 'contnet'"),
        (
            RIGOR,
            "response",
            "concepts",
            r"rigor.txt.*: uses concepts, which it will not get; it gets response",
        ),
        (RIGOR, "{{ response }}", "{# {{ response }} #}", r"rigor.txt.*: never shows {{ response }}"),
    ],
)
def test_each_problem_names_file_row_and_remedy(root, edit, name, old, new, message):
    edit(name, old, new)
    assert any(re.search(message, problem) for problem in problems_of(root)), problems_of(root)


@pytest.mark.parametrize("name", [CONCEPTS, GENERATION, EVALUATION, MODELS, ESSAY, MOAT])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"\xef\xbb\xbf" + data, r"row 1: starts with a byte order mark"),
        (lambda data: data.replace(b"\n", b"\r\n") + b"\r\n", r"row \d: has Windows line ends"),
        (lambda data: data + b"caf\xe9", r"row \d+: not UTF-8 \(byte 0xe9\)"),
        (lambda data: data + b"\0", r"row \d+: holds a NUL"),
        (lambda data: b" \n", r": empty\."),
        (lambda data: data + b"x" * 1_000_001, r": larger than 1,000,000 bytes"),
    ],
)
def test_what_editors_do_to_a_file_is_named(root, name, change, message):
    path = root / name
    path.write_bytes(change(path.read_bytes()))
    problems = problems_of(root)
    assert any(problem.startswith(name) and re.search(message, problem) for problem in problems), problems


def test_an_unreadable_table_gives_no_further_unknown_ids(root):
    (root / CONCEPTS).write_bytes(b"\xff\xfe")
    assert len(problems_of(root, concepts=["search", "moat"])) == 1


def test_a_missing_table_is_a_problem(root):
    (root / MODELS).unlink()
    assert problems_of(root) == (f"{MODELS}: missing. Create the file.",)


def test_a_row_with_a_problem_is_not_called_unknown(root, edit):
    edit(CONCEPTS, "Economic moat,true", "Economic moat,maybe")
    assert len(problems_of(root, concepts=["search", "moat"])) == 1


def test_blank_lines_are_skipped_and_counted(root, edit):
    edit(CONCEPTS, "moat,Economic moat,true", "\nmoat,Economic moat,maybe")
    assert problems_of(root)[0].startswith(f"{CONCEPTS}, row 5: active")


def test_all_problems_of_a_load_come_together(root, edit):
    edit(CONCEPTS, "moat,Economic moat,true", "mo at,Economic moat,maybe")
    edit(GENERATION, "xml_tags", "nothing")
    edit(ESSAY, "c.name", "c.nam")
    edit(RIGOR, "{{ response }}", "{{ essay }}")
    edit(MODELS, "0.15", "cheap")
    problems = problems_of(root, pools={"llm_free", "llm_paid"}, k_max=9, evaluation_models=["jugde", "paid"])
    expected = [
        "concept_id must", "active must", "parser must", "'nam'", "uses essay", "usd_per_1m_input must",
        "there is no pool 'llm_local'", "'jugde' is not in 01_raw/llm_models.csv. Did you mean judge?",
        "k_max must",
    ]  # fmt: skip
    assert [text for text in expected if not any(text in problem for problem in problems)] == []
    assert len(problems) == len(expected)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"k_max": 14},
            r"k_max must be between 1 and 3 \(active concepts\); got 14\. Lower k_max or activate",
        ),
        (
            {"k_max": 3, "concepts": ["search", "moat"]},
            r"k_max must be between 1 and 2 \(selected concepts\); got 3\. Lower k_max or name more",
        ),
        ({"concepts": ["serch", "moat"]}, r"concepts: 'serch' is not in .*Did you mean search\?"),
        (
            {"generation_templates": ["esay"]},
            r"generation_templates: 'esay' is not in .*Did you mean essay\?",
        ),
        ({"evaluation_models": ["paid"]}, r"evaluation_models: 'paid' has for_evaluation false in .*row 3"),
        ({"generation_models": ["judge"]}, r"generation_models: 'judge' has for_generation false in .*row 4"),
    ],
)
def test_a_selection_that_cannot_be_made_is_refused(root, given, message):
    (problem,) = problems_of(root, **given)
    assert re.search(message, problem)


def test_nothing_active_is_refused(root, edit):
    edit(GENERATION, ",true,", ",false,")
    assert "generation_templates: no row of 01_raw/generation_templates.csv is active" in problems_of(root)[0]


def test_an_inactive_row_that_is_not_used_needs_no_files(root):
    assert not (root / "01_raw/generation_templates/old.txt").exists()
    load_inputs(root, params())
    assert (
        "old.txt (01_raw/generation_templates.csv, row 4): missing"
        in problems_of(root, generation_templates=["old"])[0]
    )


def test_ids_that_add_up_to_more_than_250_characters_are_refused(root, edit):
    long = "e" * 220
    edit(GENERATION, "essay,", f"{long},")
    (root / ESSAY).rename((root / ESSAY).with_name(f"{long}.txt"))
    assert problems_of(root)[0].startswith("the ID of an evaluation may have 250 characters; got 25")


def test_a_template_is_tried_with_as_many_concepts_as_a_combination_has(root, edit):
    edit(ESSAY, "{% endfor %}", "{% endfor %}{{ concepts[2].name }}")
    load_inputs(root, params(k_max=3))
    assert "list object has no element 2" in problems_of(root, k_max=2)[0]
