from __future__ import annotations

from daydreaming.report.ranking import best_essays, disputed_essays, extremes


def row(name, mean=5.0, count=4, planned=4, variance=None):
    return {
        "generation_task_id": name,
        "mean": mean,
        "count": count,
        "planned": planned,
        "evaluation_model_variance": variance,
    }


def names(chosen):
    return [found["generation_task_id"] for found, _ in chosen]


def test_the_best_have_the_highest_mean_and_ties_stand_by_name():
    rows = [row("b", 7.0), row("a", 7.0), row("c", 9.0), row("d", 1.0)]
    assert names(best_essays(rows, 3)) == ["c", "a", "b"]
    assert [value for _, value in best_essays(rows, 1)] == [9.0]


def test_an_essay_with_few_of_its_scores_comes_after_all_others():
    rows = [row("lucky", 10.0, count=1), row("poor", 2.0), row("half", 8.0, count=2)]
    assert names(best_essays(rows)) == ["half", "poor", "lucky"]


def test_an_essay_without_a_score_is_not_among_the_best():
    assert best_essays([row("a", None, count=0)]) == []
    assert best_essays([]) == []


def test_the_most_disputed_have_judges_farthest_apart_whose_deviation_is_told():
    rows = [row("a", variance=1.0), row("b", variance=4.0), row("c", variance=None), row("d", variance=0.0)]
    assert [(found["generation_task_id"], sd) for found, sd in disputed_essays(rows)] == [
        ("b", 2.0),
        ("a", 1.0),
    ]


def test_the_highest_and_the_lowest_share_are_the_ends():
    assert extremes([("a", 0.5), ("b", 0.9), ("c", 0.1), ("d", None)]) == ["b", "c"]
    assert extremes([("a", 0.5), ("b", None)]) == ["a"]
    assert extremes([("b", 0.5), ("a", 0.5)]) == ["a", "b"]
    assert extremes([]) == []
