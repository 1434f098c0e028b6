"""Verdicts are read anew: scores and tables change, and nothing else does."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from daydreaming.errors import InputError
from daydreaming.pipeline.call import build_request, open_call, open_call_of_plan
from daydreaming.pipeline.rescore import Rescored, rescore
from daydreaming.pipeline.scoring import all_scorings, scoring_file
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.results import read_responses
from tests.support.experiments import (
    NOW,
    answer_all,
    answer_call,
    edit_input,
    make_settings,
    planned_run,
    tree_of,
)

TEMPLATES = "01_raw/evaluation_templates.csv"
RIGOR, STYLE = "rigor,Rigor,,true,strict,0,9", "style,Style,,true,in_last_line,0,10"
#: What judges of the four `rigor` verdicts on the first essays say, read `strict` on 0-9.
TEXTS = ("SCORE: 7", "SCORE: 4/5", "Score 9.5 of ten.\nSCORE: 9.5", "Lovely.")


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with every call answered, and its tables, to be copied; see ``finished``."""
    path = tmp_path_factory.mktemp("judged")
    settings = make_settings(path)
    planned_run(settings)
    for index in range(4):
        answer_call(settings, "run-1", "generation", index)
    rigor = [i for i in range(16) if _template(settings, i) == "rigor"]
    for index, text in zip(rigor, TEXTS, strict=False):
        answer_call(settings, "run-1", "evaluation", index, text)
    answer_all(settings, "run-1")
    write_all_tables(settings, "demo")
    for engine in (engine_for(settings), writing_engine(settings)):
        engine.dispose()
    return path


@pytest.fixture
def finished(settings: Settings, tmp_path: Path, judged: Path) -> Settings:
    """A run with every call answered, and its tables; the first verdicts on `rigor` are ``TEXTS``."""
    shutil.copytree(judged, tmp_path, dirs_exist_ok=True)
    # SQLite's own files are there from the first reader on.
    assert read_responses(engine_for(settings), "evaluation")
    return settings


def _template(settings: Settings, index: int) -> str:
    return str(open_call(settings, "run-1", "evaluation", index).cell.evaluation_template)


def _rescore(
    settings: Settings,
    *templates: str,
    parser: str | None = None,
    scale: str | None = None,
    **options: Any,
) -> list[Rescored]:
    return rescore(settings, "demo", templates, parser, scale, **{"now": NOW, **options})


def _scores(settings: Settings) -> list[dict[str, str]]:
    path = settings.data_root / "05_parsing/demo/parsed_scores.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _files(settings: Settings, *folders: str) -> dict[str, bytes | None]:
    return {name: data for name, data in tree_of(settings.data_root).items() if name.startswith(folders)}


def _derived(settings: Settings) -> dict[str, bytes | None]:
    return _files(settings, "05_", "06_", "07_")


def _readings(scores: Iterable[dict[str, str]], template: str) -> set[tuple[str, str, str]]:
    return {
        (row["parser"], row["score_min"], row["score_max"])
        for row in scores
        if row["evaluation_template"] == template
    }


def test_another_parser_changes_scores_rows_and_tables_and_nothing_else(finished: Settings):
    before = _files(finished, "02_", "03_", "04_")
    others = [row for row in _scores(finished) if row["evaluation_template"] == "style"]

    [outcome] = _rescore(finished, "rigor", parser="in_last_line", scale="0-10")

    after = _files(finished, "02_", "03_", "04_")
    assert after.pop("02_tasks/demo/scoring.csv") is not None
    assert after == before
    assert (outcome.read_before, outcome.read_now) == (("strict on 0-9",), "in_last_line on 0-10")
    # 7 both ways; 4/5 becomes 8; 9.5 is on the scale now; the fourth stays unscored; the others are 7.
    assert (outcome.verdicts, outcome.changed) == (8, 2)
    assert (outcome.before.scored, outcome.before.mean) == (5, 7.0)
    assert (outcome.after.scored, outcome.after.mean) == (7, pytest.approx((5 * 7 + 8 + 9.5) / 7))
    scores = _scores(finished)
    assert _readings(scores, "rigor") == {("in_last_line", "0", "10")}
    assert [row for row in scores if row["evaluation_template"] == "style"] == others
    found = sorted(row["score"] for row in scores if row["evaluation_template"] == "rigor")
    assert found == ["", "7", "7", "7", "7", "7", "8", "9.5"]
    rows = read_responses(engine_for(finished), "evaluation")
    assert {row["parser"] for row in rows} == {"in_last_line"}


def test_back_and_forth_leaves_the_same_tables(finished: Settings):
    first = _derived(finished)
    _rescore(finished, "rigor", parser="complex", scale="0-10")
    assert _derived(finished) != first
    _rescore(finished, "rigor", parser="strict", scale="0-9", now=NOW + timedelta(hours=1))
    assert _derived(finished) == first
    assert [s.parser for s in all_scorings(finished, "demo")] == ["complex", "strict"]


def test_without_parser_and_scale_the_table_of_templates_says_how(finished: Settings):
    edit_input(finished.inputs_root, TEMPLATES, RIGOR, RIGOR.replace("0,9", "0,10"))
    outcomes = {o.evaluation_template: o for o in _rescore(finished)}
    assert outcomes["rigor"].read_now == "strict on 0-10"
    assert outcomes["rigor"].changed == 1
    assert (outcomes["style"].changed, outcomes["style"].read_now) == (0, "in_last_line on 0-10")
    # What is read as before has no row of its own.
    assert [s.evaluation_template for s in all_scorings(finished, "demo")] == ["rigor"]


@pytest.mark.parametrize(
    ("given", "read_now"),
    [({"scale": "0-7"}, "strict on 0-7"), ({"parser": "complex"}, "complex on 0-9")],
)
def test_what_is_not_given_stays_as_it_is(finished: Settings, given: dict[str, str], read_now: str):
    [outcome] = _rescore(finished, "rigor", **given)
    assert outcome.read_now == read_now


def test_a_dry_run_says_the_same_and_writes_nothing(finished: Settings):
    before = tree_of(finished.data_root)
    said = _rescore(finished, "rigor", parser="in_last_line", scale="0-10", dry_run=True)
    assert tree_of(finished.data_root).keys() == before.keys()
    assert not scoring_file(finished, "demo").exists()
    assert _files(finished, "0") == {n: b for n, b in before.items() if n.startswith("0")}
    assert said == _rescore(finished, "rigor", parser="in_last_line", scale="0-10")


def test_the_same_rescore_again_adds_no_row_and_mends_tables(finished: Settings):
    _rescore(finished, "rigor", parser="complex", scale="0-10")
    tables = _derived(finished)
    (finished.data_root / "05_parsing/demo/parsed_scores.csv").unlink()
    [again] = _rescore(finished, "rigor", parser="complex", scale="0-10")
    assert (again.changed, len(all_scorings(finished, "demo"))) == (0, 1)
    assert _derived(finished) == tables


def test_a_call_that_lands_later_is_scored_by_the_current_scoring(settings: Settings):
    planned_run(settings)
    answer_call(settings, "run-1", "generation", 0)
    rigor = next(i for i in range(4) if _template(settings, i) == "rigor")
    call = open_call_of_plan(settings, "run-1", "evaluation", rigor)
    before = build_request(call)
    _rescore(settings, "rigor", parser="in_last_line", scale="0-10")
    # What was looked up before sees it too, and sends what it would have sent.
    assert (call.template.parser, call.template.score_max) == ("in_last_line", 10)
    assert build_request(call) == before
    answer_call(settings, "run-1", "evaluation", rigor, "SCORE: 4/5")
    [row] = read_responses(engine_for(settings), "evaluation", [call.cell.cell_id])
    assert (row["parser"], row["score"]) == ("in_last_line", 8.0)


def test_a_run_that_is_started_later_is_read_so_too(finished: Settings):
    _rescore(finished, "rigor", parser="complex", scale="0-10")
    planned_run(finished, "run-2", now=NOW + timedelta(hours=1), evaluation_replicates=2)
    answer_all(finished, "run-2")
    write_all_tables(finished, "demo")
    assert _readings(_scores(finished), "rigor") == {("complex", "0", "10")}
    assert len(_scores(finished)) == 32


def test_other_experiments_with_the_same_verdicts_are_read_as_before(finished: Settings):
    planned_run(finished, "run-2", experiment_id="other")
    _rescore(finished, "rigor", parser="complex", scale="0-10")
    write_all_tables(finished, "other")
    path = finished.data_root / "05_parsing/other/parsed_scores.csv"
    with path.open(encoding="utf-8", newline="") as file:
        assert _readings(csv.DictReader(file), "rigor") == {("strict", "0", "9")}


def test_a_verdict_that_is_stale_is_not_counted(finished: Settings):
    edit_input(finished.inputs_root, "01_raw/evaluation_templates/rigor.txt", "Judge:", "Weigh:")
    planned_run(finished, "run-2", now=NOW + timedelta(hours=1))
    _refuse_stale(finished, "run-2")
    with pytest.raises(InputError, match="every stored verdict on rigor is stale"):
        _rescore(finished, "rigor", parser="complex")


def _refuse_stale(settings: Settings, run_id: str) -> None:
    from daydreaming.errors import StaleResponseError
    from daydreaming.pipeline.call import record_failure, settle_stored

    for index in range(16):
        call = open_call(settings, run_id, "evaluation", index)
        try:
            settle_stored(call, build_request(call))
        except StaleResponseError as error:
            record_failure(call, error, attempt=0, final=True, now=NOW)


def test_a_shard_is_read_as_the_run_that_planned_it(settings: Settings):
    planned_run(settings, shard_size=3)
    answer_all(settings, "run-1")
    answer_all(settings, "run-1~shard-2-of-2")
    write_all_tables(settings, "demo")
    [outcome] = _rescore(settings, "rigor", parser="complex", scale="0-10")
    assert outcome.verdicts == 8
    assert _readings(_scores(settings), "rigor") == {("complex", "0", "10")}


@pytest.mark.parametrize(
    ("arguments", "given", "message"),
    [
        (
            ("demo_",),
            {},
            r"Unknown experiment ID 'demo_'\. Did you mean demo\? Experiments that were run: demo\.",
        ),
        (("demo", "rigour"), {}, r"no evaluation template 'rigour'\. Did you mean rigor\? It has .*style"),
        (("demo", "rigor"), {"parser": "xml_tags"}, "unknown score parser 'xml_tags'; allowed: in_last_line"),
        (("demo", "rigor"), {"scale": "9-0"}, "the lower one first; got 9.0 and 0.0"),
        (("demo", "rigor"), {"scale": "5-5"}, "the lower one first"),
        (("demo", "rigor"), {"scale": "ten"}, "such as 0-10, 1-5 or -5-5; got 'ten'"),
        (("demo", "rigor"), {"parser": "complex", "scale": "0-100"}, "'complex' reads scores from 0 to 10"),
        (("demo", "style"), {"scale": "0-100"}, "style: parser 'in_last_line' reads scores from 0 to 10"),
        (("demo", "rigor", "gone"), {"parser": "complex"}, "no evaluation template 'gone'"),
    ],
)
def test_what_is_refused_changes_nothing(
    finished: Settings, arguments: tuple[str, ...], given: dict[str, str], message: str
):
    before = tree_of(finished.data_root)
    experiment_id, *templates = arguments
    with pytest.raises(InputError, match=message):
        rescore(finished, experiment_id, templates, given.get("parser"), given.get("scale"), now=NOW)
    assert tree_of(finished.data_root) == before


def test_a_template_that_the_inputs_have_no_more_needs_parser_and_scale(finished: Settings):
    edit_input(finished.inputs_root, TEMPLATES, f"{RIGOR}\n", "")
    with pytest.raises(
        InputError, match=r"evaluation_templates\.csv has no rigor.*Give --parser and --scale"
    ):
        _rescore(finished)
    assert _rescore(finished, "style")[0].changed == 0
    assert _rescore(finished, "rigor", parser="complex", scale="0-10")[0].verdicts == 8


def test_a_broken_table_of_templates_is_named(finished: Settings):
    edit_input(finished.inputs_root, TEMPLATES, RIGOR, RIGOR.replace("0,9", "9,0"))
    with pytest.raises(InputError, match=r"evaluation_templates\.csv, row 2: score_min must be below"):
        _rescore(finished)


def test_the_prompt_of_an_answer_stays_what_it_was(finished: Settings):
    call = open_call(finished, "run-1", "evaluation", 0)
    hashes = [build_request(open_call(finished, "run-1", "evaluation", i)).request_hash for i in range(16)]
    _rescore(finished, parser="complex", scale="0-10")
    again = [build_request(open_call(finished, "run-1", "evaluation", i)).request_hash for i in range(16)]
    assert again == hashes
    assert call.files.read_provenance("evaluation", call.cell.cell_id)["request_hash"] == hashes[0]
