"""All experiments at a glance."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, update

from daydreaming.errors import DaydreamingError, LLMPermanentError, LLMTransientError
from daydreaming.pipeline import kept_counts as module
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.overview import Overview, overviews
from daydreaming.pipeline.rebuild import rebuild_database
from daydreaming.pipeline.rebuild_progress import LineProgress
from daydreaming.pipeline.rescore import rescore
from daydreaming.pipeline.run_tables import complete_run
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.overview_queries import CellCounts, count_cells
from daydreaming.store.plans import cells_of_run, set_refusal
from daydreaming.store.results import delete_responses, insert_failure
from daydreaming.store.schema import EvaluationResponse
from tests.support.attempts import call_order
from tests.support.experiments import NOW, answer_call, planned_run
from tests.support.finished import answer_distinctly, finished_run


def counts(found: Overview) -> list[tuple[int, int, int, int, int]]:
    return [(s.planned, s.answered, s.running, s.failed, s.waiting) for s in found.stages]


def fail(
    settings: Settings, index: int, *, final: bool = True, error: DaydreamingError | None = None
) -> None:
    call = open_call(settings, "run-1", "generation", index)
    row = failure_row(call, error or LLMPermanentError("no"), attempt=1, final=final, now=NOW)
    insert_failure(engine_for(settings), row)


def overview(settings: Settings, experiment_id: str, now: datetime) -> Overview:
    (found,) = (one for one in overviews(settings, now) if one.experiment_id == experiment_id)
    return found


@pytest.fixture
def added_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Experiments whose cells were counted anew, in this order."""
    names: list[str] = []

    def counted(engine: Engine, experiment_id: str) -> list[CellCounts]:
        names.append(experiment_id)
        return count_cells(engine, experiment_id)

    monkeypatch.setattr(module, "count_cells", counted)
    return names


def test_nothing_was_started(settings: Settings) -> None:
    assert overviews(settings, NOW) == []


def test_each_cell_stands_in_one_place(settings: Settings) -> None:
    planned_run(settings)
    engine = engine_for(settings)
    cells = cells_of_run(engine, "run-1", "generation")
    assert len(cells) == 4
    left_out = {("generation", i) for i in (0, 1, 2)} | {("evaluation", i) for i in range(16)}
    answer_distinctly(settings, "run-1", leave_out=frozenset(left_out))
    fail(settings, 0)
    fail(settings, 1)
    fail(settings, 2, final=False)
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="demo", cell_id=cells[1].cell_id)])
    found = overview(settings, "demo", datetime.now(UTC) + timedelta(seconds=5))
    # The first has failed; the second has, too, and is being called again; the third is tried again later.
    assert counts(found)[0] == (4, 1, 1, 1, 1)
    assert (found.is_live, found.is_complete) == (True, False)


def test_a_finished_experiment_is_complete(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    found = overview(settings, "demo", NOW)
    assert counts(found) == [(4, 4, 0, 0, 0), (16, 16, 0, 0, 0)]
    assert (found.is_live, found.is_complete) == (False, True)
    assert found.last_at is not None
    assert found.last_at > NOW
    assert found.score is not None
    assert found.score.scores == 16
    # Its two rubrics differ in their range.
    assert found.score.mean is None
    assert 0 < found.score.mean_share < 1


def test_scores_of_different_ranges_are_averaged_as_shares(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    with engine_for(settings).begin() as connection:
        first = cells_of_run(engine_for(settings), "run-1", "evaluation")[0].cell_id
        connection.execute(update(EvaluationResponse).values(score=9.0, score_min=0.0, score_max=10.0))
        connection.execute(
            update(EvaluationResponse)
            .where(EvaluationResponse.evaluation_task_id == first)
            .values(score=50.0, score_max=100.0)
        )
    score = overview(settings, "demo", NOW).score
    assert score is not None
    assert score.mean is None
    assert score.mean_share == pytest.approx((15 * 0.9 + 0.5) / 16)


def test_newest_first(settings: Settings) -> None:
    planned_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(days=1), experiment_id="later")
    assert [found.experiment_id for found in overviews(settings, NOW)] == ["later", "demo"]


def test_without_a_call_the_price_is_not_known_yet(settings: Settings) -> None:
    planned_run(settings)
    found = overview(settings, "demo", NOW)
    assert (found.spent_usd, found.expected_usd, found.score) == (0.0, None, None)


def test_a_database_that_is_not_there_yet_is_not_made(settings: Settings) -> None:
    overviews(replace(settings, data_root=settings.data_root / "new"), NOW)
    assert not (settings.data_root / "new").exists()


def test_what_has_not_changed_is_not_added_up_again(settings: Settings, added_up: list[str]) -> None:
    finished_run(settings)
    planned_run(settings, "run-2", experiment_id="other", concepts=["moat", "mind-wandering"])
    first = overviews(settings, NOW)
    assert sorted(added_up) == ["demo", "other"]
    assert overviews(settings, NOW + timedelta(days=1)) == first
    assert len(added_up) == 2
    answer_call(settings, "run-2", "generation", 0)
    assert counts(overview(settings, "other", NOW))[0] == (4, 1, 0, 0, 3)
    assert added_up[2:] == ["other"]


def test_a_call_in_flight_is_looked_at_each_time_until_its_lease_ends(
    settings: Settings, added_up: list[str]
) -> None:
    planned_run(settings)
    fail(settings, 0)
    assert counts(overview(settings, "demo", NOW))[0] == (4, 0, 0, 1, 3)
    # The instance is cleared: it is called again.
    cell = cells_of_run(engine_for(settings), "run-1", "generation")[0]
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="demo", cell_id=cell.cell_id)])
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert counts(overview(settings, "demo", soon))[0] == (4, 0, 1, 0, 3)
    assert counts(overview(settings, "demo", soon + timedelta(hours=1)))[0] == (4, 0, 0, 1, 3)
    assert len(added_up) == 3


def test_a_call_by_another_experiment_shows_where_they_share_the_cell(settings: Settings) -> None:
    planned_run(settings)
    planned_run(settings, "run-2", experiment_id="other")
    overviews(settings, NOW)
    cell = cells_of_run(engine_for(settings), "run-2", "generation")[0]
    with writing_engine(settings).begin() as connection:
        admit_calls(connection, [call_order("sent", experiment_id="other", cell_id=cell.cell_id)])
    soon = datetime.now(UTC) + timedelta(seconds=5)
    assert [counts(one)[0] for one in overviews(settings, soon)] == [(4, 0, 1, 0, 3)] * 2
    answer_call(settings, "run-2", "generation", 0)
    assert [counts(one)[0][1] for one in overviews(settings, soon)] == [1, 1]


def test_a_transient_failure_is_given_up_by_the_clock(settings: Settings) -> None:
    planned_run(settings)
    fail(settings, 0, error=LLMTransientError("later"))
    assert counts(overview(settings, "demo", NOW))[0] == (4, 0, 0, 0, 4)
    assert counts(overview(settings, "demo", NOW + timedelta(days=1)))[0] == (4, 0, 0, 1, 3)


def test_whatever_is_written_shows_the_next_time(settings: Settings) -> None:
    finished_run(settings)
    before = overview(settings, "demo", NOW)
    planned_run(settings, "run-2", generation_replicates=2)
    more = overview(settings, "demo", NOW)
    assert [stage.planned for stage in more.stages] == [8, 32]
    assert more.stages[0].waiting == 4
    set_refusal(engine_for(settings), "run-2", "Too dear.")
    assert overview(settings, "demo", NOW).expected_usd == more.expected_usd
    new = next(
        cell
        for cell in cells_of_run(engine_for(settings), "run-2", "generation")
        if cell.generation_replicate == 2
    )
    answer_call(settings, "run-2", "generation", new.map_index)
    landed = overview(settings, "demo", NOW)
    assert (landed.stages[0].answered, landed.score) == (5, before.score)
    name = cells_of_run(engine_for(settings), "run-1", "evaluation")[0].cell_id
    DataRoot(settings.data_root).response("evaluation", name).unlink()
    complete_run(settings, "run-1")
    gone = overview(settings, "demo", NOW)
    assert gone.stages[1].answered == landed.stages[1].answered - 1
    assert gone.score is not None
    assert gone.score.scores == 15


@pytest.mark.parametrize(("read_anew", "left"), [("demo", "other"), ("other", "demo")])
def test_another_reading_of_shared_verdicts_shows_in_the_experiment_that_asked_for_it(
    settings: Settings, read_anew: str, left: str
) -> None:
    finished_run(settings)
    planned_run(settings, "run-2", now=NOW + timedelta(days=1), experiment_id="other")
    before = {name: overview(settings, name, NOW).score for name in ("demo", "other")}
    rescore(settings, read_anew, ["rigor"], "strict", "0-90", now=NOW + timedelta(days=2))
    after = {name: overview(settings, name, NOW).score for name in ("demo", "other")}
    assert before["demo"] == before["other"] == after[left]
    assert after[read_anew] != before[read_anew]


def test_a_rebuild_shows_the_next_time(settings: Settings) -> None:
    finished_run(settings)
    whole = overviews(settings, NOW)
    names = [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", "evaluation")]
    delete_responses(engine_for(settings), "evaluation", names[:3])
    assert counts(overview(settings, "demo", NOW))[1] == (16, 13, 0, 0, 3)
    rebuild_database(settings, LineProgress(lambda _: None))
    assert counts(overview(settings, "demo", NOW)) == counts(whole[0])
    assert overview(settings, "demo", NOW).score == whole[0].score
