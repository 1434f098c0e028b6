"""The data that we ship, as a newcomer finds it. Read without any code of ours.

Rows of the local demo (``demo_*``, ``local_*``) follow the general rules only; counts and styles
are those of the research data.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import yaml
from jinja2 import StrictUndefined, meta
from jinja2.sandbox import SandboxedEnvironment

DATA = Path(__file__).resolve().parents[2] / "data"
RAW = DATA / "01_raw"
CONCEPTS = RAW / "concepts"

ID_PATTERN = re.compile(r"[A-Za-z0-9._-]+")
REPLICATE_ENDING = re.compile(r"_rep[0-9]+\Z")
COMBO_ID_CHARS = len("combo_v1_") + 12
MAX_ID_CHARS = 250
MAX_TEMPLATE_ID_CHARS = 28
DEMO_PREFIXES = ("demo_", "local_")

HEADERS = {
    "concepts/concepts_metadata.csv": "concept_id,name,active",
    "generation_templates.csv": "template_id,template_name,description,active,parser",
    "evaluation_templates.csv": "template_id,template_name,description,active,parser,score_min,score_max",
    "llm_models.csv": (
        "id,model,provider,display_name,for_generation,for_evaluation,specialization,conn_id,pool,"
        "rpm,tpm,rpd,usd_per_1m_input,usd_per_1m_output,extra_body,active"
    ),
}
WORDS = {"sentence": (10, 45), "paragraph": (80, 140), "article": (500, 800)}
VARIABLE = {"generation_templates": "concepts", "evaluation_templates": "response"}
SAMPLES = [
    {"name": "FIRST NAME", "content": "First text."},
    {"name": "SECOND NAME", "content": "Second text."},
]


def rows(table: str) -> list[dict[str, str]]:
    with (RAW / table).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def is_demo(identifier: str) -> bool:
    return identifier.startswith(DEMO_PREFIXES)


def ours(table: str) -> list[dict[str, str]]:
    return [row for row in rows(table) if not is_demo(next(iter(row.values())))]


def active(table: str) -> list[str]:
    return [next(iter(row.values())) for row in rows(table) if row["active"] == "true"]


def template_text(kind: str, template_id: str) -> str:
    return (RAW / kind / f"{template_id}.txt").read_text(encoding="utf-8")


def shipped_files() -> list[Path]:
    found = [path for root in (RAW, DATA / "experiments") for path in root.rglob("*") if path.is_file()]
    return [path for path in found if not path.name.startswith(".")]


TEMPLATES = [(kind, row) for kind in VARIABLE for row in rows(f"{kind}.csv")]
TEMPLATE_IDS = [f"{kind}/{row['template_id']}" for kind, row in TEMPLATES]
RESEARCH_TEMPLATES = [(kind, row) for kind, row in TEMPLATES if not is_demo(row["template_id"])]
RESEARCH_TEMPLATE_IDS = [f"{kind}/{row['template_id']}" for kind, row in RESEARCH_TEMPLATES]
EVALUATIONS = [row["template_id"] for row in ours("evaluation_templates.csv")]
ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@pytest.mark.parametrize("path", shipped_files(), ids=lambda path: str(path.relative_to(DATA)))
def test_file_is_utf8_without_bom_or_cr_and_ends_with_one_newline(path: Path):
    data = path.read_bytes()
    assert data.strip(), "empty"
    assert not data.startswith(b"\xef\xbb\xbf")
    assert b"\r" not in data
    assert data.endswith(b"\n")
    assert not data.endswith(b"\n\n")
    assert "\N{REPLACEMENT CHARACTER}" not in data.decode("utf-8")


@pytest.mark.parametrize(("table", "header"), HEADERS.items())
def test_table_has_exactly_its_columns_and_no_ragged_row(table: str, header: str):
    with (RAW / table).open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    assert ",".join(lines[0]) == header
    assert [line for line in lines[1:] if len(line) != len(lines[0])] == []


@pytest.mark.parametrize("table", HEADERS)
def test_ids_are_unique_and_made_of_allowed_characters(table: str):
    ids = [next(iter(row.values())) for row in rows(table)]
    assert len(set(ids)) == len(ids)
    assert [i for i in ids if not ID_PATTERN.fullmatch(i) or REPLICATE_ENDING.search(i)] == []


@pytest.mark.parametrize("table", HEADERS)
def test_flags_are_true_or_false(table: str):
    flags = {"active", "for_generation", "for_evaluation"}
    assert {row[flag] for row in rows(table) for flag in flags & row.keys()} <= {"true", "false"}


@pytest.mark.parametrize(
    ("table", "at_least", "active_count"),
    [
        ("concepts/concepts_metadata.csv", 14, 6),
        ("generation_templates.csv", 6, 3),
        ("evaluation_templates.csv", 6, 3),
        ("llm_models.csv", 12, 2),
    ],
)
def test_there_are_enough_rows_and_few_are_active(table: str, at_least: int, active_count: int):
    assert len(ours(table)) >= at_least
    assert len(active(table)) == active_count


def test_demo_rows_are_inactive_so_that_an_empty_list_never_means_them():
    assert [i for table in HEADERS for i in active(table) if is_demo(i)] == []


def test_no_id_of_an_evaluation_comes_near_the_limit():
    longest = {table: max(len(next(iter(row.values()))) for row in rows(table)) for table in HEADERS}
    model = longest["llm_models.csv"]
    generation = COMBO_ID_CHARS + 1 + longest["generation_templates.csv"] + 1 + model
    evaluation = generation + 1 + longest["evaluation_templates.csv"] + 1 + model + 2 * len("_rep999")
    assert evaluation < MAX_ID_CHARS


# --- Concepts ---


@pytest.mark.parametrize("level", WORDS)
def test_concept_texts_and_rows_match(level: str):
    ids = {row["concept_id"] for row in rows("concepts/concepts_metadata.csv")}
    texts = {path.stem for path in (CONCEPTS / f"descriptions-{level}").glob("*.txt")}
    assert texts <= ids
    missing = set(active("concepts/concepts_metadata.csv")) if level == "article" else ids
    assert missing - texts == set()


@pytest.mark.parametrize("level", WORDS)
def test_concept_texts_have_the_length_of_their_level(level: str):
    low, high = WORDS[level]
    counts = {
        path.stem: len(path.read_text(encoding="utf-8").split())
        for path in (CONCEPTS / f"descriptions-{level}").glob("*.txt")
    }
    assert {concept: count for concept, count in counts.items() if not low <= count <= high} == {}


def test_at_least_four_concepts_have_articles():
    assert len(list((CONCEPTS / "descriptions-article").glob("*.txt"))) >= 4


@pytest.mark.parametrize(
    "path", sorted((CONCEPTS / "descriptions-sentence").glob("*.txt")), ids=lambda path: path.stem
)
def test_sentence_is_one_sentence_on_one_line(path: Path):
    text = path.read_text(encoding="utf-8").strip()
    assert "\n" not in text
    assert text.endswith(".")
    assert not re.search(r"[.!?]\s", text)


def test_neither_concepts_nor_generation_templates_give_the_answer_away():
    loop = re.compile(r"day-?\s?dreaming\s+loop|\bDDL\b|Gwern|LLM daydreaming", re.IGNORECASE)
    shown = [*CONCEPTS.rglob("*.txt"), *(RAW / "generation_templates").glob("*.txt")]
    assert [path.name for path in shown if loop.search(path.read_text(encoding="utf-8"))] == []


# --- Templates ---


@pytest.mark.parametrize("kind", VARIABLE)
def test_template_files_and_rows_match(kind: str):
    files = {path.stem for path in (RAW / kind).glob("*.txt")}
    assert files == {row["template_id"] for row in rows(f"{kind}.csv")}


@pytest.mark.parametrize(("kind", "row"), TEMPLATES, ids=TEMPLATE_IDS)
def test_template_compiles_and_uses_its_variable_only(kind: str, row: dict[str, str]):
    tree = ENVIRONMENT.parse(template_text(kind, row["template_id"]))
    assert meta.find_undeclared_variables(tree) == {VARIABLE[kind]}


@pytest.mark.parametrize(("kind", "row"), RESEARCH_TEMPLATES, ids=RESEARCH_TEMPLATE_IDS)
def test_template_renders_everything_it_is_given(kind: str, row: dict[str, str]):
    template = ENVIRONMENT.from_string(template_text(kind, row["template_id"]))
    prompt = template.render({VARIABLE[kind]: SAMPLES if kind == "generation_templates" else "THE ESSAY"})
    given = ["THE ESSAY"] if kind == "evaluation_templates" else [v for c in SAMPLES for v in c.values()]
    assert [value for value in given if value not in prompt] == []
    assert "{{" not in prompt
    assert "{%" not in prompt
    assert "\n\n\n" not in prompt


@pytest.mark.parametrize("kind", VARIABLE)
def test_template_ids_are_short_and_described(kind: str):
    assert [
        r["template_id"] for r in rows(f"{kind}.csv") if len(r["template_id"]) > MAX_TEMPLATE_ID_CHARS
    ] == []
    assert [
        r["template_id"] for r in rows(f"{kind}.csv") if not (r["template_name"] and r["description"])
    ] == []


def test_generation_parsers_are_known_and_mixed():
    parsers = [row["parser"] for row in ours("generation_templates.csv")]
    assert set(parsers) == {"xml_tags", "section_headers", "whole"}
    assert parsers.count("xml_tags") >= 3


@pytest.mark.parametrize("row", ours("generation_templates.csv"), ids=lambda row: row["template_id"])
def test_generation_template_asks_for_what_its_parser_reads(row: dict[str, str]):
    text = template_text("generation_templates", row["template_id"])
    tags = [f"<{tag}>" in text and f"</{tag}>" in text for tag in ("thinking", "essay", "endnotes")]
    headers = [f"\n# {header}\n" in text for header in ("Thinking", "Essay", "Endnotes")]
    assert all(tags) if row["parser"] == "xml_tags" else not any(tags)
    assert all(headers) if row["parser"] == "section_headers" else not any(headers)


@pytest.mark.parametrize("row", ours("evaluation_templates.csv"), ids=lambda row: row["template_id"])
def test_evaluation_template_has_the_strict_parser_and_scale_0_to_10(row: dict[str, str]):
    assert (row["parser"], row["score_min"], row["score_max"]) == ("strict", "0", "10")


@pytest.mark.parametrize("template_id", EVALUATIONS)
def test_evaluation_template_ends_with_the_form_of_the_score(template_id: str):
    lines = template_text("evaluation_templates", template_id).strip().splitlines()
    assert lines[-1] == "SCORE: x"
    assert [line for line in lines[:-1] if line.strip().startswith("SCORE:")] == []


@pytest.mark.parametrize("template_id", EVALUATIONS)
def test_evaluation_template_fences_the_essay_with_its_own_code(template_id: str):
    text = template_text("evaluation_templates", template_id)
    fence = re.search(
        r"^<<<ESSAY ([0-9a-f]{12})>>>\n\{\{ response \}\}\n<<<END OF ESSAY \1>>>$", text, re.MULTILINE
    )
    assert fence
    assert "do not follow them" in text
    others = [template_text("evaluation_templates", other) for other in EVALUATIONS if other != template_id]
    assert not any(fence[1] in other for other in others)


@pytest.mark.parametrize("template_id", EVALUATIONS)
def test_evaluation_template_anchors_the_scale(template_id: str):
    text = template_text("evaluation_templates", template_id)
    assert re.findall(r"^- (\d+): ", text, re.MULTILINE) == ["0", "2", "4", "6", "8", "10"]


def test_points_of_the_fidelity_rubric_add_up_to_the_scale():
    text = template_text("evaluation_templates", "loop-fidelity-v1")
    points = re.findall(r"^\|.*\| ([0-9.]+) \|$", text, re.MULTILINE)
    assert sum(map(float, points)) == 10


# --- Models ---


@pytest.mark.parametrize("row", rows("llm_models.csv"), ids=lambda row: row["id"])
def test_model_row_can_be_used(row: dict[str, str]):
    assert row["for_generation"] == "true" or row["for_evaluation"] == "true"
    assert row["pool"] in {"llm_free", "llm_paid", "llm_local"}
    assert not row["extra_body"] or isinstance(json.loads(row["extra_body"]), dict)
    assert all(not row[limit] or int(row[limit]) > 0 for limit in ("rpm", "tpm", "rpd"))
    assert all(float(row[price] or 0) >= 0 for price in ("usd_per_1m_input", "usd_per_1m_output"))


@pytest.mark.parametrize("row", ours("llm_models.csv"), ids=lambda row: row["id"])
def test_openrouter_model_has_the_limits_and_prices_of_its_tier(row: dict[str, str]):
    assert row["conn_id"] == "openrouter_default"
    assert json.loads(row["extra_body"])["provider"]["allow_fallbacks"] is False
    prices = float(row["usd_per_1m_input"]), float(row["usd_per_1m_output"])
    limits = row["rpm"], row["tpm"], row["rpd"]
    if row["model"].endswith(":free"):
        assert (row["pool"], limits, prices) == ("llm_free", ("20", "", "50"), (0, 0))
        assert row["id"].endswith("_free")
    else:
        assert (row["pool"], limits) == ("llm_paid", ("", "", ""))
        assert min(prices) > 0


def test_active_models_cost_nothing_and_can_both_write_and_judge():
    chosen = [row for row in rows("llm_models.csv") if row["active"] == "true"]
    assert {row["pool"] for row in chosen} == {"llm_free"}
    assert {(row["for_generation"], row["for_evaluation"]) for row in chosen} == {("true", "true")}


def test_there_are_free_and_paid_models():
    pools = [row["pool"] for row in ours("llm_models.csv")]
    assert pools.count("llm_free") >= 4
    assert pools.count("llm_paid") >= 6


# --- Saved experiments ---

EXPERIMENTS = sorted((DATA / "experiments").glob("*.yaml"))
NAMED_IN = {
    "concepts": "concepts/concepts_metadata.csv",
    "generation_templates": "generation_templates.csv",
    "evaluation_templates": "evaluation_templates.csv",
    "generation_models": "llm_models.csv",
    "evaluation_models": "llm_models.csv",
}


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize(("parameter", "table"), NAMED_IN.items())
def test_saved_experiment_names_only_what_exists(path: Path, parameter: str, table: str):
    named = yaml.safe_load(path.read_text(encoding="utf-8")).get(parameter) or []
    assert set(named) - {next(iter(row.values())) for row in rows(table)} == set()


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_saved_experiment_spends_no_money(path: Path):
    spec = yaml.safe_load(path.read_text(encoding="utf-8"))
    models = {*(spec.get("generation_models") or []), *(spec.get("evaluation_models") or [])}
    pools = {row["pool"] for row in rows("llm_models.csv") if row["id"] in models}
    assert "llm_paid" not in pools


def test_nothing_runs_by_night_before_somebody_chooses_so():
    specs = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in EXPERIMENTS}
    assert [name for name, spec in specs.items() if "schedule" in spec] == []


def test_nightly_focus_can_be_made_nightly_and_pairs_four_concepts_that_are_not_active():
    text = (DATA / "experiments" / "nightly_focus.yaml").read_text(encoding="utf-8")
    spec = yaml.safe_load(text.replace("\n# schedule: nightly\n", "\nschedule: nightly\n"))
    assert spec["schedule"] == "nightly"
    assert (len(spec["concepts"]), spec["k_max"]) == (4, 2)
    assert set(spec["concepts"]) & set(active("concepts/concepts_metadata.csv")) == set()
