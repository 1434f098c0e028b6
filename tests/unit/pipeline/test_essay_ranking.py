"""The essays of an experiment by their scores."""

from __future__ import annotations

from datetime import timedelta

import pytest

from daydreaming.pipeline.essay_ranking import RESCALED, Essay, Verdict, rank, ranking_of_experiment
from tests.support.experiments import NOW, answer_call, edit_input, planned_run
from tests.support.finished import finished_run


def essay(name: str) -> Essay:
    return Essay(name, "combo", ("moat",), "t", "m", 1)


def verdict(name: str, judge: str, score: float | None, low: float = 0.0, high: float = 10.0) -> Verdict:
    return Verdict(name, judge, score, low, high)


VERDICTS = [
    verdict("a", "j", 2), verdict("a", "k", 8),
    verdict("b", "j", 7), verdict("b", "k", 7), verdict("b", "k", None),
    verdict("c", "j", 5),
    verdict("d", "j", None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("order", "names"),
    # a and c have the same mean: their IDs decide.
    [("top", ["b", "a", "c"]), ("bottom", ["a", "c", "b"]), ("disputed", ["a", "b"])],
)
def test_each_order_leaves_out_what_it_cannot_rank(order, names):
    ranking = rank([essay(name) for name in "dcba"], VERDICTS, order)
    assert [one.essay.generation_task_id for one in ranking.essays] == names
    assert (ranking.scale, ranking.scored, ranking.unscored) == ("0-10", 3, 1)


def test_mean_sd_and_counts():
    first, second, third = rank([essay(name) for name in "abc"], VERDICTS, "top").essays
    assert (first.mean, first.sd, first.scored, first.planned) == (7.0, 0.0, 2, 3)
    assert (second.mean, second.sd) == (5.0, pytest.approx(18**0.5))
    assert (third.mean, third.sd) == (5.0, None)


def test_the_sd_is_over_judges_and_not_over_verdicts():
    verdicts = [verdict("a", "j", 0), verdict("a", "j", 10), verdict("a", "k", 5)]
    [one] = rank([essay("a")], verdicts, "top").essays
    assert (one.mean, one.sd, one.scored) == (5.0, 0.0, 3)


def test_rubrics_of_different_range_are_put_on_one_scale():
    verdicts = [verdict("a", "j", 9, 0, 9), verdict("a", "j", 5), verdict("b", "j", 4, 1, 9)]
    ranking = rank([essay("a"), essay("b")], verdicts, "top")
    assert ranking.scale == RESCALED
    assert [one.mean for one in ranking.essays] == [7.5, 3.75]


def test_the_noise_of_binary_sums_decides_no_rank():
    verdicts = [*(verdict("b", "j", score) for score in (0.1, 0.2, 0.3)), verdict("a", "j", 0.2)]
    ranking = rank([essay("b"), essay("a")], verdicts, "top")
    assert [one.essay.generation_task_id for one in ranking.essays] == ["a", "b"]


def test_nothing_planned_is_an_empty_ranking():
    ranking = rank([], [], "top")
    assert (ranking.essays, ranking.scale) == ((), "")


def test_an_experiment_is_ranked_from_its_rows(settings):
    finished_run(settings)
    ranking = ranking_of_experiment(settings, "demo", "top")
    assert ranking.scale == RESCALED
    assert [(one.scored, one.planned) for one in ranking.essays] == [(4, 4)] * 4
    best = ranking.essays[0]
    assert best.essay.concept_ids == ("moat", "search")
    assert best.mean == max(float(one.mean or 0) for one in ranking.essays)


def test_each_experiment_reads_a_shared_verdict_in_its_own_way(settings):
    planned_run(settings, evaluation_templates=["rigor"])
    for index in range(4):
        answer_call(settings, "run-1", "generation", index)
    for index in range(8):
        answer_call(settings, "run-1", "evaluation", index, text="SCORE: 9")
    edit_input(settings.inputs_root, "01_raw/evaluation_templates.csv", "strict,0,9", "strict,0,8")
    planned_run(
        settings, "run-2", now=NOW + timedelta(hours=1), experiment_id="other", evaluation_templates=["rigor"]
    )
    mine, other = (ranking_of_experiment(settings, name, "top") for name in ("demo", "other"))
    assert (mine.scale, mine.essays[0].mean) == ("0-9", 9.0)
    # There a 9 is outside the scale.
    assert (other.scale, other.essays, other.unscored) == ("0-8", (), 4)
