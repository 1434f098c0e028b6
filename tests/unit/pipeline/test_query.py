"""Evaluations over all experiments, and the tables that are made of them."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from daydreaming.analysis.cross_experiment import EVALUATION_RESULT_KINDS
from daydreaming.errors import InputError
from daydreaming.pipeline.cross_tables import experiment_of, write_cross_experiment
from daydreaming.pipeline.query import FILTER_NAMES, find_evaluations, read_filter
from daydreaming.pipeline.query_tables import (
    TABLE_GROUPS,
    are_current,
    digest_of_sources,
    write_group,
)
from daydreaming.pipeline.rescore import rescore
from daydreaming.store.files import DataRoot
from daydreaming.store.result_queries import ALL_EVALUATIONS, EvaluationFilter
from tests.support.experiments import NOW, answer_all, planned_run, tree_of


@pytest.fixture
def answered(settings):
    """`demo`, answered, and `again`, which plans the same cells and so is answered too."""
    planned_run(settings)
    answer_all(settings, "run-1")
    planned_run(settings, "run-2", experiment_id="again", now=NOW + timedelta(minutes=1))
    write_cross_experiment(settings)
    return settings


def write_groups(settings, wanted=ALL_EVALUATIONS):
    digest = digest_of_sources(settings, wanted)
    return {
        name: n for group in TABLE_GROUPS for name, n in write_group(settings, group, wanted, digest).items()
    }


def test_an_answer_that_serves_two_experiments_is_found_under_each(answered):
    both = [find_evaluations(answered, EvaluationFilter(experiments=(name,))) for name in ("demo", "again")]
    assert len(both[0]) == 16
    pd.testing.assert_frame_equal(*both)
    assert set(both[0]["experiments"]) == {"again demo"}
    assert set(both[0]["experiment_id"]) == {"demo"}
    assert list(both[0].columns) == list(EVALUATION_RESULT_KINDS)


def test_the_exports_are_csv_and_parquet_of_the_same_rows(answered):
    folder = DataRoot(answered.data_root).cross_experiment()
    for name in ("generation_results", "evaluation_results"):
        csv, parquet = pd.read_csv(folder / f"{name}.csv"), pd.read_parquet(folder / f"{name}.parquet")
        assert list(csv.columns) == list(parquet.columns)
        assert csv.iloc[:, 0].tolist() == parquet.iloc[:, 0].tolist()
    assert set(csv["experiments"]) == {"again demo"}
    assert csv[["generation_replicate", "score_min", "score_max"]].notna().all(axis=None)


def test_an_answer_whose_file_was_deleted_is_not_found(answered):
    files = DataRoot(answered.data_root)
    gone = find_evaluations(answered, ALL_EVALUATIONS)["evaluation_task_id"][0]
    files.response("evaluation", gone).unlink()
    assert gone not in set(find_evaluations(answered, ALL_EVALUATIONS)["evaluation_task_id"])


def test_before_the_first_run_there_is_nothing_to_find(settings):
    assert find_evaluations(settings, ALL_EVALUATIONS).empty
    assert not settings.data_root.exists()
    with pytest.raises(InputError, match=r"No experiment has the ID 'demo'. Known: none yet\."):
        find_evaluations(settings, EvaluationFilter(experiments=("demo",)))


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (
            {"experiments": ("demoo",)},
            r"No experiment has the ID 'demoo'\. Did you mean demo\? Known: again, demo\.",
        ),
        (
            {"generation_models": ("piad",)},
            r"No stored evaluation has the generation model 'piad'\. Did you mean paid\? Known: free, paid\.",
        ),
        ({"evaluation_models": ("zzz",)}, r"has the evaluation model 'zzz'\. Known: free, judge\."),
        ({"generation_templates": ("esay",)}, r"the generation template 'esay'\. Did you mean essay\?"),
        ({"evaluation_templates": ("rigour",)}, r"the evaluation template 'rigour'\. Did you mean rigor\?"),
        ({"parsers": ("strikt",)}, r"has the parser 'strikt'\. Did you mean strict\?"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_told_with_those_that_there_are(answered, wanted, message):
    with pytest.raises(InputError, match=message):
        find_evaluations(answered, EvaluationFilter(**wanted))


def test_every_unknown_name_is_told_once(answered):
    wanted = EvaluationFilter(experiments=("x", "x", "demo"), parsers=("y",))
    with pytest.raises(InputError) as raised:
        find_evaluations(answered, wanted)
    assert len(raised.value.problems) == 2


def test_what_a_form_leaves_empty_filters_nothing():
    empty = {name: [] if name.endswith("s") else None for name in FILTER_NAMES}
    assert read_filter(empty) == read_filter({}) == ALL_EVALUATIONS
    assert read_filter({**empty, "since": "", "min_score": ""}) == ALL_EVALUATIONS


def test_a_filter_is_read_with_its_types():
    given = {
        "parsers": ["strict"],
        "since": "2026-03-01",
        "until": "2026-03-01",
        "min_score": "0",
        "max_score": 9,
    }
    assert read_filter(given) == EvaluationFilter(
        parsers=("strict",), since=date(2026, 3, 1), until=date(2026, 3, 1), min_score=0.0, max_score=9.0
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"since": "yesterday"}, r"since must be a day \(UTC\) as YYYY-MM-DD; got 'yesterday'\."),
        ({"until": "2026-02-30"}, "until must be a day .* got '2026-02-30'"),
        ({"min_score": "high"}, "min_score must be a number on the template's own scale; got 'high'"),
        ({"max_score": float("nan")}, "max_score must be a number .* got 'nan'"),
        ({"min_score": 8, "max_score": 3.5}, r"min_score must not be above max_score; got 8 and 3\.5\."),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "since must not be after until; got 2026-03-02 and"),
    ],
)
def test_a_filter_that_cannot_be_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        read_filter(given)


def test_each_table_is_written_as_csv_and_parquet(answered):
    rows = write_groups(answered)
    folder = DataRoot(answered.data_root).cross_experiment()
    assert rows["filtered_evaluation_results"] == 16
    assert rows["model_performance_by_combination"] == 2 + 2
    assert rows["template_version_comparison_pivot"] == 0  # no template of the tree has two versions
    for name, count in rows.items():
        assert len(pd.read_csv(folder / f"{name}.csv")) == count
        assert len(pd.read_parquet(folder / f"{name}.parquet")) == count


def test_a_filter_holds_for_every_table(answered):
    rows = write_groups(
        answered, EvaluationFilter(evaluation_models=("judge",), evaluation_templates=("style",))
    )
    assert rows["filtered_evaluation_results"] == 4
    assert rows["model_performance_over_time"] == 2 + 1


def test_writing_twice_leaves_the_same_bytes(answered):
    write_groups(answered)
    folder = DataRoot(answered.data_root).cross_experiment()
    before = tree_of(folder)
    write_groups(answered)
    write_cross_experiment(answered)
    assert tree_of(folder) == before


def test_tables_are_current_until_results_filter_or_files_change(answered):
    def current(wanted=ALL_EVALUATIONS):
        return are_current(answered, digest_of_sources(answered, wanted))

    assert not current()
    write_groups(answered)
    assert current()
    assert not current(EvaluationFilter(min_score=1))
    write_cross_experiment(answered)  # the same results again
    assert current()
    planned_run(answered, "run-3", experiment_id="third")  # no new answer, but one more that they serve
    write_cross_experiment(answered)
    assert not current()
    write_groups(answered)
    assert current()
    (DataRoot(answered.data_root).cross_experiment() / "model_performance_over_time.parquet").unlink()
    assert not current()


def test_tables_of_one_experiment_are_made_anew_where_it_reads_verdicts_otherwise(answered):
    wanted, others = EvaluationFilter(experiments=("demo",)), EvaluationFilter(experiments=("demo", "again"))
    before = [digest_of_sources(answered, one) for one in (wanted, others, ALL_EVALUATIONS)]
    write_groups(answered, wanted)
    rescore(answered, "demo", ["rigor"], "strict", "0-18", now=NOW + timedelta(hours=1))
    write_cross_experiment(answered)
    assert not are_current(answered, digest_of_sources(answered, wanted))
    # The rows of the verdicts are as the newest run reads them, and that is of `again`.
    after = [digest_of_sources(answered, one) for one in (wanted, others, ALL_EVALUATIONS)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, True, True]
    write_groups(answered, wanted)
    table = pd.read_csv(DataRoot(answered.data_root).cross_experiment() / "filtered_evaluation_results.csv")
    assert set(table["score_max"]) == {10, 18}


def test_a_table_that_somebody_changed_is_made_anew(answered):
    digest = digest_of_sources(answered, ALL_EVALUATIONS)
    write_groups(answered)
    table = DataRoot(answered.data_root).cross_experiment() / "model_performance_over_time.csv"
    table.write_bytes(table.read_bytes().replace(b"judge", b"fudge"))
    assert not are_current(answered, digest)
    write_groups(answered)
    assert are_current(answered, digest)


def test_tables_that_were_not_all_written_are_not_current(answered):
    digest = digest_of_sources(answered, ALL_EVALUATIONS)
    write_groups(answered)
    write_group(answered, "model_performance", EvaluationFilter(min_score=1), "other")
    assert not are_current(answered, digest)


def test_the_experiment_of_a_run_is_known(answered):
    assert experiment_of(answered, "run-2") == "again"
