"""How `daydreaming essays` looks. Independent of typer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TextIO

from daydreaming.cli.typed import typed_command
from daydreaming.errors import InputError
from daydreaming.pipeline.essay_ranking import Order, RankedEssay, Ranking, ranking_of_experiment
from daydreaming.pipeline.experiments import choose_experiments
from daydreaming.settings import Settings

_DEFAULT_ROWS = 10
_NAMES: Mapping[Order, str] = {
    "top": "best first",
    "bottom": "worst first",
    "disputed": "most disputed first",
}


def run_essays(
    settings: Settings,
    experiment_id: str,
    numbers: Mapping[Order, int | None],
    as_json: bool,
    out: TextIO,
    concept: str | None = None,
) -> None:
    """Print essays of an experiment in their order.

    Args:
        settings: The deployment's settings.
        experiment_id: Whose essays.
        numbers: How many are asked for, by order; None for the orders that are not.
        as_json: One JSON object instead of text.
        out: Where the text goes.
        concept: Only essays whose combination holds it.

    Raises:
        InputError: No such experiment or concept, or more than one order.
    """
    order, rows = _choose(numbers)
    choose_experiments(settings, experiment_id)
    ranking = ranking_of_experiment(settings, experiment_id, order, concept)
    shown = ranking.essays[:rows]
    if as_json:
        out.write(json.dumps(_json(experiment_id, order, concept, ranking, shown)) + "\n")
        return
    out.write("\n".join(_lines(experiment_id, order, concept, ranking, shown)) + "\n")


def _choose(numbers: Mapping[Order, int | None]) -> tuple[Order, int]:
    given = [(order, rows) for order, rows in numbers.items() if rows is not None]
    if len(given) > 1:
        options = " and ".join(f"--{order}" for order, _ in given)
        raise InputError(f"{options} cannot go together: give one of them.")
    return given[0] if given else ("top", _DEFAULT_ROWS)


def _lines(
    experiment_id: str, order: Order, concept: str | None, ranking: Ranking, shown: tuple[RankedEssay, ...]
) -> list[str]:
    if not shown:
        return [_nothing(order, ranking)]
    more = f" (first {len(shown)} of {len(ranking.essays)})" if len(shown) < len(ranking.essays) else ""
    of_concept = f" with {concept}" if concept else ""
    lines = [
        f"Essays of {experiment_id}{of_concept} on {ranking.scale}, {_NAMES[order]}{more}; SD over judges",
        "",
        "rank   mean     SD  scores  essay",
    ]
    for place, one in enumerate(shown, 1):
        numbers = f"{_number(one.mean):>5}  {_number(one.sd):>5}  {f'{one.scored}/{one.planned}':>6}"
        lines += [
            f"{place:4}  {numbers}  {one.essay.generation_task_id}",
            f"{'':27}{_factors(one)}",
        ]
    if ranking.unscored:
        lines += ["", f"Without a score, and so not in the list: {ranking.unscored}"]
    # Another experiment may share the essay, and have other verdicts on it.
    show = f"{typed_command()} show {shown[0].essay.generation_task_id} --experiment {experiment_id}"
    return [*lines, "", f"Read one with: {show}"]


def _nothing(order: Order, ranking: Ranking) -> str:
    if order == "disputed" and ranking.scored:
        return "No essay has scores of two judges: nothing can be disputed."
    if not ranking.unscored:
        return "No essay yet: no generation of it is answered."
    return f"No essay has a score yet; without one: {ranking.unscored}."


def _factors(one: RankedEssay) -> str:
    essay = one.essay
    replicate = f", replicate {essay.replicate}" if essay.replicate > 1 else ""
    return f"{essay.template} by {essay.model}{replicate}: {', '.join(essay.concept_ids)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _json(
    experiment_id: str, order: Order, concept: str | None, ranking: Ranking, shown: tuple[RankedEssay, ...]
) -> dict[str, Any]:
    return {
        "experiment_id": experiment_id,
        "order": order,
        "concept": concept,
        "scale": ranking.scale,
        "ranked": len(ranking.essays),
        "unscored": ranking.unscored,
        "essays": [
            {
                "rank": place,
                "generation_task_id": one.essay.generation_task_id,
                "mean": one.mean,
                "sd_over_judges": one.sd,
                "scored": one.scored,
                "planned": one.planned,
                "generation_template": one.essay.template,
                "generation_model": one.essay.model,
                "replicate": one.essay.replicate,
                "combo_id": one.essay.combo_id,
                "concepts": list(one.essay.concept_ids),
            }
            for place, one in enumerate(shown, 1)
        ],
    }
