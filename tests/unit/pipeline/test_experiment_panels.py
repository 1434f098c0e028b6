from __future__ import annotations

from daydreaming.errors import LLMPermanentError
from daydreaming.pipeline.call import failure_row, open_call
from daydreaming.pipeline.experiment_page import read_head
from daydreaming.pipeline.experiment_panels import Panel, Panels, read_panels
from daydreaming.pipeline.experiment_progress import experiment_progress
from daydreaming.pipeline.tables import write_all_tables
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.results import insert_failure
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly, finished_run

KEYS = ["distributions", "leaderboards", "judges", "variance", "next-design", "costs", "missing"]


def read(settings: Settings) -> Panels:
    progress = experiment_progress(settings, "demo", NOW)
    head = read_head(settings, "demo", progress.crossings)
    return read_panels(settings, progress, head.design)


def panel(panels: Panels, key: str) -> Panel:
    (found,) = (one for one in panels.panels if one.key == key)
    return found


def waiting(of: Panel) -> list[str]:
    return [b.text for g in of.groups for b in g.blocks if b.kind == "paragraph" and b.tone == "waiting"]


def tables(of: Panel) -> dict[str, object]:
    return {b.caption: b for g in of.groups for b in g.blocks if b.kind == "table"}


def test_every_empty_panel_says_what_it_waits_for(settings: Settings) -> None:
    planned_run(settings)
    panels = read(settings)
    assert [one.key for one in panels.panels] == KEYS
    for key in KEYS[:-1]:
        assert len(waiting(panel(panels, key))) == 1, key
    assert (panels.advice, panels.table_names, panels.scores, panels.summarised) == ([], frozenset(), 0, None)
    assert not panels.is_behind


def test_scores_without_tables_are_shown_and_the_rest_waits_for_summarize(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1")
    panels = read(settings)
    assert panels.scores == 16
    assert waiting(panel(panels, "distributions")) == []
    for key in ("leaderboards", "judges", "variance", "next-design"):
        (text,) = waiting(panel(panels, key))
        assert "summarize writes them" in text


def test_a_finished_experiment_has_its_tables(settings: Settings) -> None:
    finished_run(settings, concepts=["search", "moat", "mind-wandering"])
    panels = read(settings)
    assert (panels.scores, panels.summarised) == (48, 48)
    assert panels.advice
    assert all("SE" in sentence for sentence in panels.advice)
    board = tables(panel(panels, "leaderboards"))["Generators by mean score"]
    assert board.file == "06_summary/demo/factor_levels.csv"
    assert (settings.data_root / board.file).exists()
    assert {"factor_levels", "d_study", "judge_audit"} <= panels.table_names
    agreement = panel(panels, "judges").groups[0]
    assert agreement.title == "Agreement"
    assert {row["evaluation_template"] for row in panels.reliability} == {"rigor", "style"}


def test_files_elsewhere_are_named_from_the_data_root(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("generation", 0)} | _of_first(settings)))
    call = open_call(settings, "run-1", "generation", 0)
    insert_failure(
        engine_for(settings),
        failure_row(call, LLMPermanentError("no credit"), attempt=1, final=True, now=NOW),
    )
    write_all_tables(settings, "demo")
    missing = tables(panel(read(settings), "missing"))
    for table in missing.values():
        assert not table.file or (settings.data_root / table.file).exists()
    failed = missing["Failed attempts by kind"]
    assert [cell.text for cell in failed.rows[0]][2:] == ["LLMPermanentError", "1", "1", "no credit"]
    reasons = [[cell.text for cell in row] for row in missing["Why there is no score"].rows]
    assert reasons == [["not evaluated yet: the call waits for its turn", "4"]]


def _of_first(settings: Settings) -> set[tuple[str, int]]:
    from daydreaming.store.plans import cells_of_run

    first = cells_of_run(engine_for(settings), "run-1", "generation")[0].cell_id
    cells = cells_of_run(engine_for(settings), "run-1", "evaluation")
    return {("evaluation", c.map_index) for c in cells if c.generation_task_id == first}


def test_scores_that_came_after_the_tables_are_told(settings: Settings) -> None:
    planned_run(settings)
    answer_distinctly(settings, "run-1", leave_out=frozenset({("evaluation", 0)}))
    write_all_tables(settings, "demo")
    assert not read(settings).is_behind
    answer_distinctly(settings, "run-1")
    panels = read(settings)
    assert (panels.is_behind, panels.summarised, panels.scores) == (True, 15, 16)


def test_advice_is_told_once(settings: Settings) -> None:
    finished_run(settings)
    panels = read(settings)
    assert panels.advice
    shown = panel(panels, "next-design")
    assert all(block.kind != "items" for group in shown.groups for block in group.blocks)
    assert "For each kind of mean" not in str(shown)


def test_a_table_beside_a_drawing_is_its_detail(settings: Settings) -> None:
    finished_run(settings)
    for one in read(settings).panels:
        for group in one.groups:
            assert group.has_figure == any(block.kind == "figure" for block in group.blocks)
