"""Rows of planned evaluations, as the results database gives them."""

from __future__ import annotations

from typing import Any

import pytest


def make_row(
    score: float | None,
    *,
    combo: str = "combo_v1_aaaaaaaaaaaa",
    template: str = "g1",
    model: str = "m1",
    rubric: str = "r1",
    judge: str = "j1",
    generation_replicate: int = 1,
    evaluation_replicate: int = 1,
    scale: tuple[float, float] = (0, 10),
    **other: Any,
) -> dict[str, Any]:
    generation = f"{combo}_{template}_{model}"
    if generation_replicate > 1:
        generation += f"_rep{generation_replicate}"
    evaluation = f"{generation}_{rubric}_{judge}"
    if evaluation_replicate > 1:
        evaluation += f"_rep{evaluation_replicate}"
    return {
        "combo_id": combo,
        "generation_template": template,
        "generation_model": model,
        "evaluation_template": rubric,
        "evaluation_model": judge,
        "score": score,
        "error": None if score is not None else "no SCORE line",
        "evaluation_response_path": f"04_evaluation/evaluation_responses/{evaluation}.txt",
        "evaluation_task_id": evaluation,
        "generation_task_id": generation,
        "generation_replicate": generation_replicate,
        "evaluation_replicate": evaluation_replicate,
        "parser": "strict",
        "score_min": scale[0],
        "score_max": scale[1],
        "generation_response_path": f"03_generation/generation_responses/{generation}.txt",
        "description_level": "paragraph",
        "k_max": 4,
        **other,
    }


@pytest.fixture(name="row", scope="session")
def _row():
    return make_row
