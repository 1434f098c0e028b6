from __future__ import annotations

import csv

import pytest

from daydreaming.design.cells import plan_evaluations, plan_generations
from daydreaming.design.combinations import combine
from daydreaming.inputs.records import LLMModel
from daydreaming.store.task_tables import write_csv, write_evaluation_csv, write_generation_csvs

MODEL = LLMModel("m", "prov/m", "prov", "", True, True, "", "conn", "pool")


def rows(path):
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_the_plan_is_written_with_the_published_columns(tmp_path):
    combinations = combine(["b", "a"], 2, "paragraph")
    generations = plan_generations(combinations, ["t"], [MODEL], 1)
    evaluations = plan_evaluations(generations, ["e"], [MODEL], 1)
    for _ in range(2):
        write_generation_csvs(tmp_path / "x", combinations, generations, {"a": "Text of é.", "b": "B"})
        write_evaluation_csv(tmp_path / "x", evaluations)
    combo = combinations[0].combo_id
    assert rows(tmp_path / "x/concept_combinations_combinations.csv") == [
        ["combo_id", "description_level", "k_max", "concept_count"],
        [combo, "paragraph", "2", "2"],
    ]
    assert rows(tmp_path / "x/concept_combinations_relationships.csv") == [
        ["combo_id", "concept_id", "position"],
        [combo, "a", "0"],
        [combo, "b", "1"],
    ]
    assert rows(tmp_path / "x/generation_tasks.csv") == [
        [
            "generation_task_id",
            "combo_id",
            "generation_template",
            "generation_model",
            "generation_model_name",
            "replicate",
        ],
        [f"{combo}_t_m", combo, "t", "m", "prov/m", "1"],
    ]
    assert rows(tmp_path / "x/evaluation_tasks.csv") == [
        [
            "evaluation_task_id",
            "generation_task_id",
            "evaluation_template",
            "evaluation_model",
            "evaluation_model_name",
            "replicate",
        ],
        [f"{combo}_t_m_e_m", f"{combo}_t_m", "e", "m", "prov/m", "1"],
    ]
    assert (tmp_path / "x/concept_contents/a.txt").read_text() == "Text of é."


def test_a_table_that_breaks_half_way_leaves_the_old_one(tmp_path):
    def breaking():
        yield (1,)
        raise RuntimeError("stop")

    write_csv(tmp_path / "t.csv", ["x"], [(0,)])
    with pytest.raises(RuntimeError, match="stop"):
        write_csv(tmp_path / "t.csv", ["x"], breaking())
    assert (tmp_path / "t.csv").read_text() == "x\n0\n"
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
