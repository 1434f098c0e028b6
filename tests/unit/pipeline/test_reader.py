"""One essay with all that is known of it, and the verdicts on it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from daydreaming.errors import InputError, LLMPermanentError, LLMTransientError
from daydreaming.pipeline import frozen
from daydreaming.pipeline.call import open_call, record_failure
from daydreaming.pipeline.reader import open_essay
from daydreaming.pipeline.refresh import refresh_rows
from daydreaming.pipeline.rescore import rescore
from daydreaming.pipeline.verdicts_shown import summarize_scores, verdicts_on, with_texts
from daydreaming.settings import Settings
from daydreaming.store.admission import admit_calls
from daydreaming.store.claims import claim_cells
from daydreaming.store.database import engine_for, writing_engine
from daydreaming.store.files import DataRoot
from daydreaming.store.plans import cells_of_run
from tests.support.attempts import call_order
from tests.support.experiments import NOW, planned_run
from tests.support.finished import answer_distinctly
from tests.support.finished_root import fail, refuse_stale


def ids(settings: Settings, stage: str = "generation") -> list[str]:
    return [cell.cell_id for cell in cells_of_run(engine_for(settings), "run-1", stage)]


def text_of(shown) -> str:
    return "\n".join(passage.text for passage in shown.passages)


@pytest.fixture
def answered(settings: Settings) -> Settings:
    """A run with all answers: essays 0 and 1 are whole answers, 2 and 3 in tags, of which 3 has none."""
    planned_run(settings)
    texts = {
        ("generation", 0): "Moats meet search.\n",
        ("generation", 3): "No tags at all.",
        ("evaluation", 0): "<think>SCORE: 1</think>\nSound.\nSCORE: 8",
        ("evaluation", 1): "No score.",
    }
    answer_distinctly(
        settings, "run-1", texts=texts, leave_out=frozenset({("evaluation", i) for i in (12, 13, 14, 15)})
    )
    return settings


def test_an_essay_has_its_concepts_its_prompt_and_where_it_comes_from(answered):
    first = ids(answered)[0]
    essay = open_essay(answered, "demo", first, NOW)
    assert text_of(essay.essay) == "Moats meet search."
    assert essay.answer is None  # it is the essay, but for the line end
    assert essay.essay_error is None
    assert [(c.concept_id, c.name, c.text) for c in essay.concepts] == [
        ("moat", "Economic moat", "Economic moat"),
        ("search", "Combinatorial search", "Try pairs."),
    ]
    assert essay.concept_names == "Economic moat + Combinatorial search"
    assert "Combinatorial search: Try pairs." in text_of(essay.prompt.text)
    assert not essay.prompt.is_other
    assert essay.prompt.path == f"03_generation/generation_prompts/{first}.txt"
    assert (essay.run_id, essay.cell.map_index, essay.is_import) == ("run-1", 0, False)
    assert essay.state.is_answered
    assert essay.state.row["response_id"] == "run-1-generation-0"


def test_the_whole_answer_is_there_where_it_is_more_than_the_essay(answered):
    essay = open_essay(answered, "demo", ids(answered)[2], NOW)
    assert text_of(essay.essay) == "Moats meet search in run-1-2."
    assert [(p.kind, p.text) for p in essay.answer.passages] == [
        ("thinking", "<thinking>Of run-1-2.</thinking>"),
        ("text", "<essay>Moats meet search in run-1-2.</essay>"),
    ]


def test_without_an_essay_the_answer_is_there_and_the_reason(answered):
    essay = open_essay(answered, "demo", ids(answered)[3], NOW)
    assert (essay.essay, text_of(essay.answer)) == (None, "No tags at all.")
    assert essay.essay_error.startswith("no essay: looked for <essay>")


def test_an_essay_whose_file_is_gone_is_cut_anew(answered):
    files, name = DataRoot(answered.data_root), ids(answered)[2]
    files.essay(name).unlink()
    assert text_of(open_essay(answered, "demo", name, NOW).essay) == "Moats meet search in run-1-2."


def test_a_file_that_cannot_be_read_is_told_without_the_place_of_the_root(answered):
    name = ids(answered)[0]
    DataRoot(answered.data_root).response("generation", name).unlink()
    essay = open_essay(answered, "demo", name, NOW)
    assert essay.essay.problem == f"03_generation/generation_responses/{name}.txt: missing."
    DataRoot(answered.data_root).essay(ids(answered)[2]).write_bytes(b"\xff")
    assert "not UTF-8" in open_essay(answered, "demo", ids(answered)[2], NOW).essay.problem


def test_a_prompt_that_was_rendered_anew_is_told_from_the_one_that_was_answered(answered):
    name = ids(answered)[0]
    prompt = DataRoot(answered.data_root).prompt("generation", name)
    prompt.write_text("Another prompt.")
    essay = open_essay(answered, "demo", name, NOW)
    assert (text_of(essay.prompt.text), essay.prompt.is_other) == ("Another prompt.", True)
    prompt.write_bytes(b"\xff")
    assert "cannot be read" in open_essay(answered, "demo", name, NOW).prompt.text.problem
    prompt.unlink()
    assert open_essay(answered, "demo", name, NOW).prompt is None


def test_without_frozen_inputs_concepts_have_their_ids(answered):
    for file in answered.data_root.rglob("inputs.json"):
        file.write_text("edited")
    frozen._read.cache_clear()
    essay = open_essay(answered, "demo", ids(answered)[0], NOW)
    assert [(c.name, c.text) for c in essay.concepts] == [("moat", ""), ("search", "")]
    frozen._read.cache_clear()


@pytest.mark.parametrize("name", ["nobody", "combo_v1_x", "a\x00b", "../../etc/passwd"])
def test_an_essay_that_was_not_planned_is_refused(answered, name):
    with pytest.raises(InputError, match="has planned the generation"):
        open_essay(answered, "demo", name, NOW)
    with pytest.raises(InputError, match="Unknown experiment ID"):
        open_essay(answered, "none", ids(answered)[0], NOW)


def test_verdicts_are_listed_with_their_scores_marked(answered):
    verdicts = verdicts_on(answered, "demo", ids(answered)[0], NOW)
    places = [(v.number, v.cell.evaluation_template, v.cell.evaluation_model, v.score) for v in verdicts]
    assert places == [
        (1, "rigor", "free", 8.0),
        (2, "rigor", "judge", None),
        (3, "style", "free", 2.0),
        (4, "style", "judge", 3.0),
    ]
    first, second, *_ = with_texts(answered, verdicts)
    assert [(p.kind, p.marked) for p in first.text.passages] == [("thinking", ""), ("text", "8")]
    assert (first.note, first.prompt, list(first.readings)) == ("", None, [])
    assert [p.marked for p in second.text.passages] == [""]
    assert second.verdict.state.row["score_error"].startswith("the last line must be")


def test_the_prompt_of_a_verdict_is_read_where_it_is_asked_for(answered):
    verdicts = verdicts_on(answered, "demo", ids(answered)[0], NOW)
    wanted = verdicts[1].cell.cell_id
    with_prompts = with_texts(answered, verdicts, [wanted])
    assert [one.prompt is not None for one in with_prompts] == [False, True, False, False]
    assert text_of(with_prompts[1].prompt.text) == "Judge:\nMoats meet search.\nSCORE: ?"


def test_a_text_that_was_changed_since_its_score_was_read_is_not_marked(answered):
    verdict = verdicts_on(answered, "demo", ids(answered)[0], NOW)[0]
    path = DataRoot(answered.data_root).response("evaluation", verdict.cell.cell_id)
    for text, note in (("SCORE: 3", "It now says 3."), ("no more", "It cannot be read any more")):
        path.write_text(text)
        [shown] = with_texts(answered, [verdict])
        assert [p.marked for p in shown.text.passages] == [""]
        assert "changed after its score was read" in shown.note
        assert note in shown.note
    path.unlink()
    [shown] = with_texts(answered, [verdict])
    assert shown.text.problem.endswith(".txt: missing.")


def test_other_readings_of_a_verdict_are_told(answered):
    rescore(answered, "demo", ["style"], "complex", None, now=NOW + timedelta(hours=1))
    verdicts = verdicts_on(answered, "demo", ids(answered)[0], NOW)
    shown = {one.verdict.cell.evaluation_template: one for one in with_texts(answered, verdicts)}
    assert shown["style"].verdict.state.row["parser"] == "complex"
    assert [(r["parser"], r["score"]) for r in shown["style"].readings] == [("in_last_line", 3.0)]
    assert list(shown["rigor"].readings) == []


def test_scores_of_rubrics_with_different_ranges_are_shares(answered):
    summary = summarize_scores(verdicts_on(answered, "demo", ids(answered)[0], NOW))
    assert (summary.planned, summary.answered, summary.scored, summary.as_share) == (4, 4, 3, True)
    assert summary.mean == pytest.approx((8 / 9 + 0.2 + 0.3) / 3)
    assert summary.sd == pytest.approx(((8 / 9 + 0.2) / 2 - 0.3) / 2**0.5)
    only = [
        v
        for v in verdicts_on(answered, "demo", ids(answered)[0], NOW)
        if v.cell.evaluation_template == "style"
    ]
    summary = summarize_scores(only)
    assert (summary.mean, summary.as_share, summary.score_min, summary.score_max) == (2.5, False, 0, 10)
    assert summary.sd == pytest.approx(0.7071, abs=1e-4)
    summary = summarize_scores(only[:1])
    assert (summary.mean, summary.sd) == (2.0, None)
    assert summarize_scores([]).mean is None


def test_each_call_without_an_answer_says_where_it_stands(settings):
    planned_run(settings)
    name = ids(settings)[0]
    cells = [v.cell.cell_id for v in verdicts_on(settings, "demo", name, NOW)]
    by_index = ids(settings, "evaluation").index
    # The one that Airflow tries again is not given up, as everywhere else.
    for place, error in enumerate((LLMPermanentError, LLMTransientError, LLMTransientError)):
        call = open_call(settings, "run-1", "evaluation", by_index(cells[place]))
        record_failure(call, error("busy"), attempt=1, final=True, now=NOW)
    sent, booked = (
        call_order(cell_id, experiment_id="demo", stage="evaluation", cell_id=cell_id)
        for cell_id in cells[2:]
    )
    with writing_engine(settings).begin() as connection:
        assert [admission.outcome for admission in admit_calls(connection, [sent])] == ["go"]
        # A lease alone is no call that was sent.
        claim_cells(connection, [booked.lease], NOW)
    clock = datetime.now(UTC) + timedelta(seconds=5)
    states = [v.state for v in verdicts_on(settings, "demo", name, NOW)]
    assert [state.state for state in states] == ["failed", "waiting", "waiting", "waiting"]
    states = [v.state for v in verdicts_on(settings, "demo", name, clock)]
    assert [state.state for state in states] == ["failed", "failed", "running", "waiting"]
    assert [state.failure.message if state.failure else None for state in states] == [
        "busy",
        "busy",
        "busy",
        None,
    ]
    essay = open_essay(settings, "demo", name, NOW)
    assert (essay.state.state, essay.essay, essay.answer, essay.prompt) == ("waiting", None, None, None)


def test_an_answer_that_is_refused_as_stale_is_shown_and_not_counted(answered):
    planned_run(answered, "run-2", experiment_id="stale", generation_temperature=0.9)
    refuse_stale(answered, "run-2", now=NOW + timedelta(hours=1))
    refresh_rows(answered, "stale")
    essay = open_essay(answered, "stale", ids(answered)[0], NOW)
    assert (essay.state.state, essay.state.is_answered) == ("refused", False)
    assert essay.state.failure.error_class == "StaleResponseError"
    assert text_of(essay.essay) == "Moats meet search."
    assert open_essay(answered, "demo", ids(answered)[0], NOW).state.is_answered


def test_the_last_attempt_that_failed_with_a_ledger_row_is_told(settings):
    planned_run(settings)
    fail(open_call(settings, "run-1", "generation", 0), LLMPermanentError("timed out"), final=True)
    state = open_essay(settings, "demo", ids(settings)[0], NOW).state
    assert (state.state, state.failure.message) == ("failed", "timed out")
