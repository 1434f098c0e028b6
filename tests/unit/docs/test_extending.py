"""What the page on extending describes is done, to a copy of the package, and then works."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from daydreaming.settings import Settings
from tests.support.changed_package import ChangedPackage
from tests.support.described import write_described
from tests.support.documents import ROOT, Block, blocks, commands
from tests.support.message_sinks import slack_sink
from tests.support.shell import link_programs, plain_environment, type_in_shell

PAGE = ROOT / "docs" / "extending.md"
#: All in one process, which has Airflow and pandas to load.
_SCRIPT = """
import json
import sys
from pathlib import Path

from daydreaming.analysis import tables
from daydreaming.errors import EssayParseError
from daydreaming.inputs.templates import GenerationTemplateRow
from daydreaming.operators.notifiers import notify_problems, send
from daydreaming.operators.notify_settings import NotifySettings
from daydreaming.parsing.essay import parse_essay
from daydreaming.pipeline.experiment_panels import _SECTIONS, _TABLES
from daydreaming.pipeline.notice import Notice
from daydreaming.pipeline.report import report_file, write_report
from daydreaming.pipeline.statistic_tables import read_table
from tests.support.experiments import make_settings
from tests.support.finished import finished_run

done = {"essay": parse_essay("Notes.\\n---\\nA draft.\\n---\\nThe essay.", "after_rule")}
try:
    parse_essay("No rule.", "after_rule")
except EssayParseError as error:
    done["no essay"] = str(error)
row = {"template_id": "t", "template_name": "T", "description": "", "active": "true"}
done["in a table"] = GenerationTemplateRow(**row, parser="after_rule").parser

tables.ANALYSES = {name: tables.ANALYSES[name] for name in ("final_results", "score_range")}
settings = make_settings(Path(sys.argv[1]))
finished_run(settings)
write_report(settings, "demo")
done["file"] = (settings.data_root / "06_summary/demo/score_range.csv").read_text().splitlines()
done["page"] = read_table(settings, "demo", "score_range", page=1, size=10).total
done["report"] = report_file(settings, "demo").read_text()
done["panels"] = ["score_range" in _TABLES, "score_range_section" in [made.__name__ for made in _SECTIONS]]

failure = NotifySettings.from_env().failure
done["not told"] = [*notify_problems(), *send(Notice("pairs failed", ("Why.",)), failure)]
print(json.dumps(done))
"""


def _section(title: str) -> list[Block]:
    """The blocks below a heading of the page, to the next of its level."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    starts = [number for number, line in enumerate(lines, 1) if line.startswith("## ")] + [len(lines) + 1]
    start = lines.index(f"## {title}") + 1
    end = next(number for number in starts if number > start)
    return [block for block in blocks(PAGE) if start < block.line < end]


ROW, CONNECTION, PLANNED, *_ = _section("A provider")
[PARSED] = [block for block in _section("A parser") if block.language == "console"]
[MADE] = [block for block in _section("An input source") if block.language == "sh"]
[TARGET] = [block for block in _section("A target of messages") if block.language == "sh"]
DOCUMENTED = (CONNECTION, PLANNED, PARSED, MADE, TARGET)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> ChangedPackage:
    """A copy with everything that the page describes."""
    changed = ChangedPackage(tmp_path_factory.mktemp("changed"))
    changed.apply(blocks(PAGE))
    return changed


@dataclass(frozen=True)
class Done:
    """What the copy did: what the script says, and what came to the chat."""

    said: Mapping[str, Any]
    posts: Sequence[tuple[str, Mapping[str, Any]]]


@pytest.fixture(scope="module")
def done(package: ChangedPackage, tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("done")
    exports = [command.arguments[0].split("=", 1) for command in commands(TARGET)]
    environment = dict(exports) | {"AIRFLOW_HOME": str(folder / "airflow")}
    with slack_sink() as chat:
        shown = environment["AIRFLOW_CONN_TEAM_CHAT"]
        environment["AIRFLOW_CONN_TEAM_CHAT"] = shown.replace("https://chat.example.org", chat.url)
        out = package.run("-c", _SCRIPT, str(folder / "root"), **environment)
    return Done(json.loads(out.splitlines()[-1]), chat.posts)


def _style_problems(package: ChangedPackage) -> str:
    """What `make check` says of the changed files, but for mypy, which takes long."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    options = ["--no-cache", "--config", str(ROOT / "pyproject.toml"), *map(str, package.changed)]
    checks = (["check", "--quiet", *options], ["format", "--quiet", "--diff", *options])
    return "".join(
        subprocess.run([ruff, *check], capture_output=True, text=True, check=False).stdout for check in checks
    )


def test_a_provider_is_a_row_and_a_connection(place: Settings, daydreaming, monkeypatch) -> None:
    shutil.rmtree(place.data_root)
    assert write_described(ROW, place.inputs_root)
    [export] = commands(CONNECTION)
    monkeypatch.setenv(*export.arguments[0].split("=", 1))
    [plan] = commands(PLANNED)
    _, out, err = daydreaming(*plan.arguments)
    assert (out or err) == plan.shown


def test_a_parser_of_essays_is_added(done: Done) -> None:
    assert done.said["essay"] == "The essay."
    assert done.said["no essay"] == "no essay: looked for a line '---' with the essay below it."
    assert done.said["in a table"] == "after_rule"


def test_a_parser_of_scores_is_added(package: ChangedPackage) -> None:
    (package.folder / "verdict.txt").write_text("Well put.\n★★★☆☆\n", encoding="utf-8")
    (package.folder / "unclear.txt").write_text("Three stars.\n", encoding="utf-8")
    [command] = commands(PARSED)
    out = package.run("-m", "daydreaming.cli.main", *command.arguments, "unclear.txt").splitlines()
    assert out[0] + "\n" == command.shown
    assert json.loads(out[1])["score"] is None


def test_an_analysis_is_a_table_a_drawing_and_a_page(done: Done) -> None:
    assert done.said["file"] == ["evaluation_template,scored,lowest,highest", "rigor,8,0,9", "style,8,0,7"]
    assert done.said["page"] == 2
    assert "How much of its scale each rubric uses" in done.said["report"]
    assert "From lowest to highest score." in done.said["report"]
    assert done.said["panels"] == [True, True]


def test_a_target_of_messages_is_told(done: Done) -> None:
    assert done.posts == [("/hooks/KEY", {"text": "pairs failed\nWhy."})]
    assert done.said["not told"] == []


def test_what_is_added_has_our_style(package: ChangedPackage) -> None:
    assert len(package.changed) == 10
    assert _style_problems(package) == ""


def test_an_input_source_is_whatever_writes_the_files(place: Settings) -> None:
    for block in _section("An input source"):
        if block.language in ("python", "json"):
            Path(block.intro.split("`")[1]).write_text(block.text, encoding="utf-8")
    shutil.copytree(place.inputs_root, "data")
    link_programs(Path.cwd())
    typed = type_in_shell(MADE.text, Path.cwd(), plain_environment())
    assert typed.stdout.splitlines()[0] == "1 combinations"
