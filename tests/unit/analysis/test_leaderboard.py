from __future__ import annotations

from daydreaming.analysis.final_results import final_results
from daydreaming.analysis.leaderboard import COLUMNS, leaderboard, summary_text
from daydreaming.analysis.scores import parsed_scores


def board(rows, top=10):
    return leaderboard(final_results(parsed_scores(rows)), top)


def of(table, ranking="generation template"):
    return table.loc[table["ranking"] == ranking]


def test_templates_and_combinations_are_ranked_by_mean(row):
    table = board([row(3, template="a"), row(9, template="b"), row(6, template="c", combo="combo_v1_b")])
    assert list(table.columns) == list(COLUMNS)
    assert of(table)[["rank", "name", "mean"]].to_numpy().tolist() == [[1, "b", 9], [2, "c", 6], [3, "a", 3]]
    assert of(table, "combination")["name"].tolist() == ["combo_v1_aaaaaaaaaaaa", "combo_v1_b"]


def test_equal_means_share_a_rank_and_groups_without_a_score_come_last_unranked(row):
    table = of(
        board([row(5, template="b"), row(5, template="a"), row(None, template="0"), row(1, template="z")])
    )
    assert table["name"].tolist() == ["a", "b", "z", "0"]
    assert table["rank"].fillna(-1).tolist() == [1, 1, 3, -1]


def test_groups_on_different_scales_are_ranked_on_one(row):
    rows = [row(9, template="nine", rubric="r9", scale=(0, 9)), row(9.5, template="ten")]
    assert of(board(rows))[["name", "mean", "scale"]].to_numpy().tolist() == [
        ["nine", 9, "0-9"],
        ["ten", 9.5, "0-10"],
    ]


def test_each_ranking_has_at_most_the_rows_asked_for(row):
    assert len(board([row(s, template=f"t{s}") for s in range(5)], top=2)) == 3


def test_no_scores_give_no_rows_and_one_plain_sentence():
    final = final_results(parsed_scores([]))
    assert list(leaderboard(final).columns) == list(COLUMNS)
    assert leaderboard(final).empty
    assert summary_text(final) == "No evaluations are planned."


def test_the_text_shows_counts_and_aligned_tables(row):
    rows = [
        row(10, template="long-name"),
        row(5, template="b"),
        row(4, template="b", judge="j2"),
        row(None, template="c"),
    ]
    assert summary_text(final_results(parsed_scores(rows)), top=2) == (
        "3 of 4 evaluations scored: mean 6.33, SD 3.21 on 0-10; 1 perfect (33.3 %).\n"
        "\n"
        "By generation template (top 2 of 3)\n"
        "rank  name        mean    SD  scored  scale\n"
        "   1  long-name  10.00     –     1/1  0-10\n"
        "   2  b           4.50  0.71     2/2  0-10\n"
        "\n"
        "By combination\n"
        "rank  name                   mean    SD  scored  scale\n"
        "   1  combo_v1_aaaaaaaaaaaa  6.33  3.21     3/4  0-10"
    )


def test_a_run_with_nothing_scored_says_so_without_a_mean(row):
    text = summary_text(final_results(parsed_scores([row(None)])))
    assert text.startswith("0 of 1 evaluations scored.\n")
    assert "nan" not in text.lower()
