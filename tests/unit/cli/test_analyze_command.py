"""`daydreaming analyze`: any table with the columns of parsed_scores.csv."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from daydreaming.analysis.export import csv_text
from daydreaming.analysis.tables import ANALYSES
from daydreaming.pipeline.analyze import analyze, read_scores

HEADER = "combo_id,generation_template,generation_model,evaluation_template,evaluation_model,score"
#: The six targets and four judges of Shrout & Fleiss (1979), as essays and judges. Their ICC(2,1), 0.29, is
#: ICC(A,1) here, and their ICC(3,1), 0.71, is ICC(C,1).
VERDICTS = [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
ROWS = [f"c{i},g,m,r,j{j},{score}" for i, scores in enumerate(VERDICTS) for j, score in enumerate(scores)]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    """No data root, no inputs, no Airflow: the file is all that is needed."""
    monkeypatch.chdir(tmp_path)


def write(*rows: str, header: str = HEADER, name: str = "scores.csv") -> Path:
    path = Path(name)
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_table_of_another_tool_gets_every_table_in_json(daydreaming):
    write(*ROWS)
    result = daydreaming("analyze", "scores.csv", "--json")
    assert (result.code, result.err) == (0, "")
    tables = json.loads(result.out, parse_constant=pytest.fail)
    assert list(tables) == list(ANALYSES)
    by_statistic = {row["statistic"]: row for row in tables["judge_reliability"]}
    assert by_statistic["ICC(A,1)"]["value"] == pytest.approx(0.2898, abs=0.0001)
    assert by_statistic["ICC(A,1)"]["ci_low"] is None
    assert by_statistic["ICC(A,1)"]["essays"] == 6
    assert len(tables["evaluator_agreement_analysis"]) == 6


def test_the_text_says_n_and_the_agreement(daydreaming):
    write(*ROWS, "c6,g,m,r,j0,", "c7,g,m,lonely,j0,5")
    lines = daydreaming("analyze", "scores.csv").out.splitlines()
    assert lines[0] == "26 evaluations: 25 scored, 1 unscored and left out; 8 essays, 2 rubrics, 4 judges."
    icc = next(line for line in lines if "ICC(C,1)" in line and line.startswith("r "))
    assert icc.split() == ["r", "ICC(C,1)", "interval", "0.71", "–", "6", "4", "1"]
    assert [line for line in lines if line.startswith("lonely") and line.endswith("only one judge")]


def test_the_text_says_what_would_make_the_means_more_certain(daydreaming):
    write(*ROWS)
    lines = daydreaming("analyze", "scores.csv").out.splitlines()
    at = lines.index("What would make the means more certain?")
    assert lines[at + 1].startswith("essay: the SE of a mean is 0.5; no single addition ")
    write("c,g,m,r,j,5")
    assert "more certain" not in daydreaming("analyze", "scores.csv").out


def test_each_table_is_a_csv_file(daydreaming):
    write(*ROWS)
    result = daydreaming("analyze", "scores.csv", "--out", "made/tables")
    assert result.out.endswith(f"{len(ANALYSES)} tables are in made/tables.\n")
    files = {path.stem: path.read_text() for path in Path("made/tables").iterdir()}
    assert files == {name: csv_text(t) for name, t in analyze(read_scores(Path("scores.csv"))).items()}
    with Path("made/tables/judge_reliability.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 6


def test_our_own_table_comes_back_as_it_was():
    row = "c0,g,m,r,j0,,no SCORE line,a.txt,c0_g_m_r_j0_rep2,c0_g_m,1,2,strict,0,9,b.txt,paragraph,4"
    first = read_scores(write(row, header=f"{HEADER},error,evaluation_response_path,evaluation_task_id,"
        "generation_task_id,generation_replicate,evaluation_replicate,parser,score_min,score_max,"
        "generation_response_path,description_level,k_max"))  # fmt: skip
    Path("again.csv").write_text(csv_text(first))
    pd.testing.assert_frame_equal(read_scores(Path("again.csv")), first)
    assert first["error"].tolist() == ["no SCORE line"]
    assert first["evaluation_task_id"].tolist() == ["c0_g_m_r_j0_rep2"]


def test_columns_that_are_absent_are_filled_in():
    only = read_scores(write("c,g,m,r,j,NA")).iloc[0]
    assert only[["generation_replicate", "evaluation_replicate", "score_min", "score_max"]].tolist() == [
        1, 1, 0, 10,
    ]  # fmt: skip
    assert (only["error"], only["parser"]) == ("no score in the table", "")


def test_lengths_costs_and_families_of_another_tool_are_taken():
    header = (
        f"{HEADER},essay_chars,generation_cost_usd,evaluation_cost_usd,generation_family,evaluation_family"
    )
    only = read_scores(write("c,g,m,r,j,5,1200,0.02,,acme,acme", header=header)).iloc[0]
    assert only[["essay_chars", "generation_cost_usd", "generation_family"]].tolist() == [1200, 0.02, "acme"]
    assert pd.isna(only["evaluation_cost_usd"])


def test_factors_that_join_to_one_text_stay_apart():
    assert read_scores(write("c,a_b,c,r,j,1", "c,a,b_c,r,j,2"))["generation_task_id"].nunique() == 2


@pytest.mark.parametrize("text", ["", "NA", "nan", "None", " "])
def test_a_missing_score_is_unscored(text):
    assert read_scores(write(f"c,g,m,r,j,{text}"))["score"].isna().all()


def test_spaces_around_factors_and_ids_make_no_others_of_them():
    header = f"{HEADER},generation_task_id"
    scores = read_scores(write("c,g,m,r,j,5,x", " c ,g,m ,s,j ,7 ,x ", header=header))
    assert scores["evaluation_model"].tolist() == ["j", "j"]
    assert scores["generation_task_id"].tolist() == ["x", "x"]
    assert scores["combo_id"].tolist() == ["c", "c"]


def test_blank_lines_and_line_breaks_in_quotes_are_read():
    scores = read_scores(write("", '"c\n1",g,m,r,j,7', " ", 'c2,"g, ""new""",m,r,j,5', ""))
    assert scores["combo_id"].tolist() == ["c\n1", "c2"]
    assert scores["generation_template"].tolist() == ["g", 'g, "new"']


@pytest.mark.parametrize("name", ["with_bom.csv", "crlf.csv"])
def test_files_of_spreadsheets_are_read(name):
    text = "\n".join([HEADER, *ROWS]) + "\n"
    data = text.replace("\n", "\r\n").encode() if name == "crlf.csv" else text.encode("utf-8-sig")
    Path(name).write_bytes(data)
    assert len(read_scores(Path(name))) == 24


SCALED = f"{HEADER},score_min,score_max"


@pytest.mark.parametrize(
    ("header", "rows", "text"),
    [
        ("a,b", ["1,2"], "scores.csv: no column generation_template, generation_model, evaluation_template"),
        (HEADER.replace(",score", ",points"), ["c,g,m,r,j,5"], "no column score; needed are"),
        (f"{HEADER},score", ["c,g,m,r,j,5,6"], "column score is there twice"),
        (HEADER, [], "has a header and no rows"),
        (HEADER, ["c,g,m,r,j,5", "c,g,,r,j,5"], "row 3: generation_model '' is empty"),
        (HEADER, ["c,g,m,r,j,seven"], "row 2: score 'seven' is not a number"),
        (HEADER, ["c,g,m,r,j,inf"], "row 2: score 'inf' is not a number"),
        (HEADER, ['c,g,m,r,j,"7,5"', 'c,g,m,r,k,"7,5"'], "score '7,5' is not a number (as in 1 more rows)"),
        (HEADER, ["c,g,m,r,j,5", "c,g,m,r,k,85"], "row 3: score 85 is outside 0-10"),
        (HEADER, ["c,g,m,r,j,-1"], "Add the columns score_min and score_max"),
        (SCALED, ["c,g,m,r,j,5,0,"], "only one of score_min and score_max"),
        (f"{HEADER},score_max", ["c,g,m,r,j,5,9"], "only one of score_min and score_max"),
        (SCALED, ["c,g,m,r,j,5,9,9"], "score_min 9 is not below score_max"),
        (HEADER, ["c,g,m,r,j,5", "c,g,m,r,j,6"], "number repeats in a column generation_replicate"),
        (f"{HEADER},evaluation_replicate", ["c,g,m,r,j,5,1.5"], "'1.5' is not a whole number from 1"),
        (f"{HEADER},evaluation_replicate", ["c,g,m,r,j,5,0"], "'0' is not a whole number from 1"),
        (f"{HEADER},essay_chars", ["c,g,m,r,j,5,1.5"], "essay_chars '1.5' is not a whole number from 1"),
        (f"{HEADER},evaluation_cost_usd", ["c,g,m,r,j,5,free"], "evaluation_cost_usd 'free' is not a number"),
        (f"{HEADER},generation_task_id", ["c,g,m,r,j,5,x", "d,g,m,r,j,5,x"], "generation_task_id 'x'"),
        (f"{HEADER},generation_task_id", ["c,g,m,r,j,5,x", "d,g,m,r,k,5,x"], "stands for another"),
        (f"{HEADER},evaluation_task_id", ["c,g,m,r,j,5,x", "d,g,m,r,j,5,x"], "evaluation_task_id 'x' is in"),
        (HEADER, ["c,g,m,r,j,5,6,7"], "scores.csv, row 2: has 8 cells, the header has 6. Correct the commas"),
        (
            HEADER,
            ["c,g,m,r,j,5", "c,g,m,r,k", "c,g,m,r,l"],
            "row 3: has 5 cells, the header has 6 (as in 1 mo",
        ),
        (HEADER, ["c,g,m,r,j,7,5"], "row 2: has 7 cells"),
        (HEADER, ["c,g,m,r,j,5", "c,g,m,r,j ,3"], "row 3: generation_task_id 'c|g|m|1' has this rubric and"),
        (HEADER, ["c,g,m,r,  ,5"], "row 2: evaluation_model '' is empty"),
        (HEADER.replace(",", ";"), ["c;g;m;r;j;7,5"], "scores.csv: its cells are separated by semicolons"),
        (HEADER.replace(",", "\t"), ["c\tg\tm\tr\tj\t7"], "scores.csv: its cells are separated by tabs"),
        (HEADER, ["", " ", "c,g,m,r,j,x"], "row 4: score 'x' is not a number"),
        (HEADER, ['"c\n1",g,m,r,j,7', "c2,g,m,r,j,x"], "row 4: score 'x' is not a number"),
        (HEADER, ['"c\n1",g,m,r,j,7,8'], "row 2: has 7 cells"),
        (
            HEADER,
            ["c,g,m,r,j,7", '"c2,g,m,r,j,8', "c3,g,m,r,j,8"],
            "row 3: cannot be read as CSV (unexpected",
        ),
        (HEADER, ["", "c,g,m,r,j,5", "", "c,g,m,r,j,6"], "row 5: generation_task_id 'c|g|m|1' has this"),
    ],
)
def test_what_cannot_be_analysed_is_one_line(daydreaming, header, rows, text):
    write(*rows, header=header)
    result = daydreaming("analyze", "scores.csv", "--out", "made")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: scores.csv")
    assert len(result.err.splitlines()) == 1
    assert text in result.err
    assert not Path("made").exists()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "No such file"),
        (b"", "cannot be read as CSV"),
        (b"\xff\xfe\x00", "cannot be read as CSV in UTF-8"),
    ],
)
def test_what_is_no_csv_is_one_line(daydreaming, data, text):
    if data is not None:
        Path("x.csv").write_bytes(data)
    result = daydreaming("analyze", "x.csv")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: x.csv: ")
    assert text in result.err
    assert len(result.err.splitlines()) == 1


def test_a_folder_is_no_csv(daydreaming):
    result = daydreaming("analyze", ".")
    assert (result.code, result.out) == (2, "")
    assert "Is a directory" in result.err


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_folder_that_cannot_be_written_is_named(daydreaming, options):
    write(*ROWS)
    Path("taken").write_text("")
    result = daydreaming("analyze", "scores.csv", "--out", "taken/tables", *options)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("Error: --out taken/tables: ")


def test_rubrics_on_other_scales_stay_on_their_own():
    scores = read_scores(write("c,g,m,r,j,5,0,9", "c,g,m,s,j,50,0,100", header=SCALED))
    assert scores["score_max"].tolist() == [9, 100]
