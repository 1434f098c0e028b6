from __future__ import annotations

from itertools import product

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import evaluation_results
from daydreaming.analysis.template_versions import (
    CELL_COLUMNS,
    DIFFERENCE_KINDS,
    template_version_comparison_pivot,
    template_version_differences,
    template_versions,
)

HEADER = ["factor", "template", *CELL_COLUMNS, "scale"]


def evaluation(score: float | None, **fields: object) -> dict[str, object]:
    row = {
        "combo_id": "c1",
        "generation_template": "essay",
        "generation_model": "gen",
        "generation_replicate": 1,
        "evaluation_template": "rigor",
        "evaluation_model": "judge",
        "replicate": 1,
        "score_min": 0,
        "score_max": 10,
        **fields,
    }
    names = [name for name in row if not name.startswith("score")]
    return {**row, "evaluation_task_id": "/".join(str(row[name]) for name in names), "score": score}


def frame(*rows: dict[str, object]) -> pd.DataFrame:
    return evaluation_results(rows)


@pytest.mark.parametrize(
    ("template_ids", "expected"),
    [
        (["gen_v2", "gen_v1"], {"gen": ["v1", "v2"]}),
        (["creativity-v2", "creativity"], {"creativity": ["base", "v2"]}),
        (["x-v10", "x-v9", "x-v1.2", "x-v1.10"], {"x": ["v1.2", "v1.10", "v9", "v10"]}),
        (["a.V2", "a_v3"], {"a": ["v2", "v3"]}),
        (["deep-v2-short-v1", "deep-v2-short-v2"], {"deep-v2-short": ["v1", "v2"]}),
        (["b_v2", "b-v2", "b"], {"b": ["base", "b-v2", "b_v2"]}),
        (["b_v1", "a_v1", "b_v2", "a_v2"], {"a": ["v1", "v2"], "b": ["v1", "v2"]}),
        (["gen_v1", "gen_v1"], {}),
        (["gen_v1", "other_v2"], {}),
        (["gen2", "gen"], {}),
        (["genv2", "gen"], {}),
        (["gen_v2_long", "gen"], {}),
        (["v1", "v2"], {}),
        ([], {}),
    ],
)
def test_versions_share_a_base_name_and_differ_by_a_suffix(template_ids, expected):
    found = template_versions(template_ids)
    assert {base: [v.label for v in versions] for base, versions in found.items()} == expected


def test_versions_of_a_generation_template_stand_side_by_side_with_their_difference():
    table = template_version_comparison_pivot(
        frame(
            evaluation(4, generation_template="essay-v1"),
            evaluation(7, generation_template="essay-v2"),
            evaluation(5, generation_template="essay-v1", combo_id="c2"),
            evaluation(3, generation_template="essay-v2", combo_id="c2"),
        )
    )
    assert list(table.columns) == [*HEADER, "v1", "v2", "v2_minus_v1"]
    columns = ["factor", "template", "combo_id", "generation_template", "v1", "v2", "v2_minus_v1"]
    assert table[columns].to_numpy().tolist() == [
        ["generation_template", "essay", "c1", "", 4, 7, 3],
        ["generation_template", "essay", "c2", "", 5, 3, -2],
    ]


@pytest.mark.parametrize(
    "other",
    [
        {"combo_id": "c2"},
        {"generation_model": "gen-2"},
        {"generation_replicate": 2},
        {"evaluation_template": "style"},
        {"evaluation_model": "judge-2"},
        {"replicate": 2},
    ],
)
def test_only_cells_that_all_versions_share_are_compared(other):
    rows = [evaluation(4, generation_template="essay-v1"), evaluation(7, generation_template="essay-v2")]
    alone = evaluation(9, generation_template="essay-v2", **other)
    assert len(template_version_comparison_pivot(frame(*rows))) == 1
    assert len(template_version_comparison_pivot(frame(*rows, alone))) == 1
    (difference,) = template_version_differences(frame(*rows, alone)).to_dict("records")
    assert (difference["n_cells"], difference["left_out"]) == (1, 1)


def _with_replicates(*known: float | None) -> list[dict[str, object]]:
    """Two versions, two essays each; the second of v1 got 2, every other 8.

    Args:
        known: Replicates of the essays of v1, as their rows say; None where the row is gone.
    """
    essays = [("essay-v1", 1, known[0], 8), ("essay-v1", 2, known[1], 2)]
    essays += [("essay-v2", 1, 1, 8), ("essay-v2", 2, 2, 8)]
    return [
        {
            **evaluation(score, generation_template=template, generation_replicate=row),
            "evaluation_task_id": f"{template}/{number}",
            "generation_task_id": f"{template}/{number}",
        }
        for template, number, row, score in essays
    ]


@pytest.mark.parametrize(
    ("known", "rows", "left_out"),
    [
        ((1, 2), [[1, 8, 8, 0], [2, 2, 8, 6]], 0),
        # Two may be the first, and the one of which it is known is.
        ((1, None), [[1, 8, 8, 0]], 2),
        # The other one is the second, so this is the first.
        ((None, 2), [[1, 8, 8, 0], [2, 2, 8, 6]], 0),
        ((None, None), [], 4),
    ],
)
def test_an_essay_whose_response_was_deleted_is_not_taken_for_another_replicate(known, rows, left_out):
    evaluations = frame(*_with_replicates(*known))
    table = template_version_comparison_pivot(evaluations)
    columns = ["generation_replicate", "v1", "v2", "v2_minus_v1"]
    assert table[columns].to_numpy().tolist() == rows
    (difference,) = template_version_differences(evaluations).to_dict("records")
    assert (difference["n_cells"], difference["left_out"]) == (len(rows), left_out)


def test_verdicts_of_two_judges_on_an_essay_without_a_row_are_on_one_essay_the_first():
    rows = [
        evaluation(version, generation_template=f"essay-v{version}", evaluation_model=judge)
        for version in (1, 2)
        for judge in ("a", "b")
    ]
    rows = [
        {**row, "generation_replicate": None, "generation_task_id": row["generation_template"]}
        for row in rows
    ]
    table = template_version_comparison_pivot(frame(*rows))
    assert table[["generation_replicate", "evaluation_model"]].to_numpy().tolist() == [[1, "a"], [1, "b"]]


def test_an_unscored_cell_is_left_out_and_counted():
    rows = [
        evaluation(score, generation_template=f"essay-v{version}", combo_id=combo)
        for combo, version, score in [("c1", 1, 4), ("c1", 2, 6), ("c2", 1, 5), ("c2", 2, None)]
    ]
    assert template_version_comparison_pivot(frame(*rows))["combo_id"].tolist() == ["c1"]
    (difference,) = template_version_differences(frame(*rows)).to_dict("records")
    assert (difference["n_cells"], difference["n_combinations"], difference["left_out"]) == (1, 1, 2)


def test_versions_of_a_rubric_judge_the_same_essays_on_scales_that_are_put_on_one():
    rows = [
        evaluation(9, evaluation_template="rigor", score_max=9),
        evaluation(7, evaluation_template="rigor-v2", score_max=10),
    ]
    table = template_version_comparison_pivot(frame(*rows))
    (row,) = table.to_dict("records")
    assert (row["factor"], row["template"], row["evaluation_template"]) == (
        "evaluation_template",
        "rigor",
        "",
    )
    assert (row["base"], row["v2"], row["v2_minus_base"]) == (10, 7, -3)
    assert row["scale"] == "0-10 (rescaled)"
    assert row["generation_template"] == "essay"


def test_versions_on_one_scale_stay_on_it():
    rows = [evaluation(v, generation_template=f"essay-v{v}", score_max=9) for v in (1, 2)]
    (row,) = template_version_comparison_pivot(frame(*rows)).to_dict("records")
    assert (row["v1"], row["v2"], row["scale"]) == (1, 2, "0-9")


def test_families_with_other_versions_share_the_columns():
    rows = [evaluation(v, generation_template=f"a-v{v}") for v in (1, 2, 10)]
    rows += [evaluation(v, generation_template=f"b-v{v}") for v in (2, 3)]
    table = template_version_comparison_pivot(frame(*rows))
    assert list(table.columns[len(HEADER) :]) == [
        "v1", "v2", "v3", "v10", "v2_minus_v1", "v10_minus_v1", "v3_minus_v2", "v10_minus_v2",
    ]  # fmt: skip
    assert table.loc[table["template"] == "b", ["v1", "v10", "v2_minus_v1"]].isna().all(axis=None)


def test_a_combination_counts_once_in_the_mean_difference():
    scores = {("c1", 1): 4, ("c1", 2): 6, ("c2", 1): 5, ("c2", 2): 9}
    judges = {"c1": ["j1", "j2", "j3"], "c2": ["j1"]}
    rows = [
        evaluation(score, combo_id=combo, evaluation_model=judge, generation_template=f"essay-v{version}")
        for (combo, version), score in scores.items()
        for judge in judges[combo]
    ]
    (row,) = template_version_differences(frame(*rows)).to_dict("records")
    assert (row["version_a"], row["version_b"]) == ("v1", "v2")
    assert (row["mean_a"], row["mean_b"], row["difference"]) == (4.5, 7.5, 3)
    assert row["sd"] == pytest.approx(2**0.5)
    assert (row["n_cells"], row["n_combinations"], row["left_out"]) == (4, 2, 0)


def test_versions_without_a_shared_cell_have_a_difference_of_nothing():
    rows = [
        evaluation(4, generation_template="e-v1"),
        evaluation(5, generation_template="e-v2", combo_id="c2"),
    ]
    assert template_version_comparison_pivot(frame(*rows)).empty
    (row,) = template_version_differences(frame(*rows)).to_dict("records")
    assert (row["n_cells"], row["n_combinations"], row["left_out"]) == (0, 0, 2)
    assert pd.isna(row["difference"])


@pytest.mark.parametrize("rows", [[], [evaluation(4)], [evaluation(4, generation_template="essay-v1")]])
def test_without_two_versions_the_tables_are_their_headers(rows):
    pivot, differences = (
        make(frame(*rows)) for make in (template_version_comparison_pivot, template_version_differences)
    )
    assert (len(pivot), list(pivot.columns)) == (0, HEADER)
    assert (len(differences), list(differences.columns)) == (0, list(DIFFERENCE_KINDS))


def test_the_order_of_rows_changes_nothing():
    rows = [
        evaluation(i % 7, generation_template=f"e-v{v}", evaluation_template=f"r-v{w}", combo_id=f"c{i}")
        for i, (v, w) in product(range(5), product((1, 2), (1, 2)))
    ]
    for make in (template_version_comparison_pivot, template_version_differences):
        pd.testing.assert_frame_equal(make(frame(*rows)), make(frame(*rows[::-1])))
        assert len(make(frame(*rows))) > 1
