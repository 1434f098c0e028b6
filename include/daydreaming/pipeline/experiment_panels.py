"""The statistics of one experiment for its page: the report's own sections, made of what is there now."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from daydreaming.pipeline.experiment_progress import ExperimentProgress
from daydreaming.pipeline.report_costs import costs_of
from daydreaming.pipeline.report_failures import failure_groups
from daydreaming.report.blocks import Block, Figure, Heading, Items, Paragraph, Section, Table
from daydreaming.report.costs import costs_section
from daydreaming.report.judges import judges_section
from daydreaming.report.leaderboards import leaderboards_section
from daydreaming.report.matrix import distributions_section
from daydreaming.report.missing import missing_section
from daydreaming.report.source import Calls, Design, Origin, Source
from daydreaming.report.variance import next_design_section, variance_section
from daydreaming.settings import Settings
from daydreaming.store.database import engine_for
from daydreaming.store.failure_sums import unread_reasons
from daydreaming.store.files import DataRoot
from daydreaming.store.matrix_queries import ScoreCount, count_scores
from daydreaming.store.open_cells import OpenGroup
from daydreaming.store.statistic_pages import list_tables, read_rows

#: Tables that the sections show; others have a row for each essay.
_TABLES: Final = (
    "final_results",
    "factor_levels",
    "paired_comparisons",
    "friedman",
    "judge_reliability",
    "judge_audit",
    "adjusted_ranking",
    "g_study",
    "d_study",
    "detectable_effects",
    "missing_cells",
)
#: Made of the results as they are at the moment; the others of the tables of statistics.
_LIVE: Final[Sequence[Callable[[Source], Section]]] = (distributions_section, costs_section, missing_section)
_SECTIONS: Final[Sequence[Callable[[Source], Section]]] = (
    distributions_section,
    leaderboards_section,
    judges_section,
    variance_section,
    next_design_section,
    costs_section,
    missing_section,
)
_WAITING: Final = (
    "This waits for the tables of statistics: summarize writes them when the calls of a run have ended, and "
    "check_completeness brings them up to date."
)
_POINTS: Final = 10.0
_WHY_OPEN: Final[Mapping[str, str]] = {
    "failed": "not evaluated: the call failed",
    "running": "not evaluated yet: the judge is being called",
    "waiting": "not evaluated yet: the call waits for its turn",
    "blocked": "not evaluated: no essay was found in the generator's answer",
    "held": "not to be sent: planned in a dry run, refused, or its run failed before the first call",
}


@dataclass(frozen=True)
class Group:
    """Blocks that belong together.

    Attributes:
        title: Of the group; '' for the panel's own words.
    """

    title: str
    blocks: Sequence[Block]

    @property
    def has_figure(self) -> bool:
        """Whether a drawing is among them: tables are then its details."""
        return any(isinstance(block, Figure) for block in self.blocks)


@dataclass(frozen=True)
class Panel:
    """A section of the report, in groups; files of its tables are relative to the data root.

    Attributes:
        scale: What its scores are on; '' where it has none.
    """

    key: str
    title: str
    groups: Sequence[Group]
    scale: str = ""


@dataclass(frozen=True)
class Panels:
    """What is shown of an experiment's statistics.

    Attributes:
        advice: What to run next, one sentence for each kind of mean.
        panels: To be shown in this order.
        reliability: Rows of ``judge_reliability``.
        table_names: Tables of which there are rows.
        scores: How many there are now.
        summarised: How many the tables were made of; None where there are no tables.
    """

    advice: Sequence[str]
    panels: Sequence[Panel]
    reliability: Sequence[Mapping[str, Any]]
    table_names: frozenset[str]
    scores: int
    summarised: int | None

    @property
    def is_behind(self) -> bool:
        """Whether scores have come, or gone, since the tables were written."""
        return self.summarised is not None and self.summarised != self.scores


def read_panels(settings: Settings, progress: ExperimentProgress, design: Design) -> Panels:
    """Make the panels of an experiment.

    Args:
        settings: The deployment's settings.
        progress: Of the experiment.
        design: Its design.
    """
    engine, experiment_id = engine_for(settings), progress.experiment_id
    counts = count_scores(engine, experiment_id)
    tables = {name: read_rows(engine, experiment_id, name) for name in _TABLES}
    source = _source(settings, progress, design, tables, counts)
    names = list_tables(engine, experiment_id)
    folder = DataRoot(settings.data_root).relative(DataRoot(settings.data_root).summary(experiment_id))
    sections = [_section(make, source, has_tables=bool(names)) for make in _SECTIONS]
    return Panels(
        [row["note"] for row in tables["d_study"] if row["change"] == "conclusion" and row["note"]],
        [_panel(section, folder) for section in sections],
        tables["judge_reliability"],
        frozenset(names),
        sum(one.verdicts for one in counts),
        next((row["count"] for row in tables["final_results"] if row["analysis"] == "overall"), None),
    )


def _section(make: Callable[[Source], Section], source: Source, *, has_tables: bool) -> Section:
    section = make(source)
    if make in _LIVE or has_tables or not source.scored:
        return section
    return replace(section, blocks=[Paragraph(_WAITING, "waiting")])


def _panel(section: Section, folder: str) -> Panel:
    groups: list[tuple[str, list[Block]]] = [("", [])]
    for block in _told_once(section.blocks):
        if isinstance(block, Heading):
            groups.append((block.text, []))
        elif isinstance(block, Table) and block.file:
            file = posixpath.normpath(posixpath.join(folder, block.file))
            groups[-1][1].append(replace(block, file=file))
        else:
            groups[-1][1].append(block)
    return Panel(section.key, section.title, [Group(*group) for group in groups if any(group)], section.scale)


def _told_once(blocks: Sequence[Block]) -> Iterator[Block]:
    """Without the list of advice, which stands at the head of the page, and what leads to it."""
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        if not isinstance(block, Items) and not isinstance(following, Items):
            yield block


def _source(
    settings: Settings,
    progress: ExperimentProgress,
    design: Design,
    tables: Mapping[str, Sequence[Mapping[str, Any]]],
    counts: Sequence[ScoreCount],
) -> Source:
    """What the sections read; essays, origin and times are for the report alone."""
    engine, experiment_id = engine_for(settings), progress.experiment_id
    return Source(
        experiment_id=experiment_id,
        question="",
        first_call_at="",
        last_answer_at="",
        design=design,
        tables=tables,
        distributions=_distributions(counts),
        unscored=[*unread_reasons(engine, experiment_id), *_why_open(progress.groups)],
        costs=costs_of(settings, experiment_id, progress.spending),
        calls=[
            Calls(m.stage, m.model, m.planned, m.answered, m.failed, m.planned - m.answered - m.failed)
            for m in progress.models
        ],
        failures=failure_groups(settings, experiment_id),
        best=(),
        disputed=(),
        origin=Origin("", "", "", "", (), (), {}),
    )


def _distributions(counts: Sequence[ScoreCount]) -> dict[str, list[float]]:
    """Scores on 0–10 by judge."""
    found: dict[str, list[float]] = {}
    for one in counts:
        value = _POINTS * (one.score - one.score_min) / (one.score_max - one.score_min)
        found.setdefault(one.judge, []).extend([value] * one.verdicts)
    return found


def _why_open(groups: Sequence[OpenGroup]) -> list[tuple[str, int]]:
    cells: dict[str, int] = {}
    for group in groups:
        if group.stage == "evaluation":
            why = _WHY_OPEN[group.state]
            why += f" ({group.error_class})" if group.state == "failed" and group.error_class else ""
            cells[why] = cells.get(why, 0) + group.cells
    return sorted(cells.items(), key=lambda item: (-item[1], item[0]))
