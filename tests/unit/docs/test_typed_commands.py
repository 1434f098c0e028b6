"""What needs a shell and no Airflow: a pipe, copies, the completion, a migration."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from daydreaming.settings import Settings
from tests.support.changed_package import ChangedPackage
from tests.support.documents import block_with, replaced, typed_lines
from tests.support.shell import link_programs, plain_environment, type_in_shell

ON_A_PIPE = block_with("docs/terminal.md", "| cat")
COMPLETION = block_with("docs/terminal.md", "--install-completion")
FROZEN_INPUTS = block_with("docs/backup.md", "DIGEST")
MIGRATION = block_with("CONTRIBUTING.md", "autogenerate")
DOCUMENTED = (ON_A_PIPE, COMPLETION, FROZEN_INPUTS, MIGRATION)

#: What bash does where Tab is pressed: the function that stands for the command fills COMPREPLY.
_TAB = """
set +u
. ~/.bashrc
COMP_WORDS=(daydreaming {words}) COMP_CWORD={last}
"$(complete -p daydreaming | grep -o '_[^ ]*completion')" daydreaming
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
_TABLE = '    __tablename__ = "failures"\n'


def test_on_a_pipe_there_is_a_line_for_each_model(place: Settings) -> None:
    [(line, shown)] = typed_lines(ON_A_PIPE)
    out = type_in_shell(replaced(line, "pairs", "demo"), Path.cwd()).stdout.splitlines()
    title, *models = replaced(shown, "pairs", "demo").splitlines()
    assert out[0] == title
    form = re.compile(r"(generation|evaluation) \S+ \d+/\d+, \d+ failed, (.+, )?\d+\.\d{4} US dollars")
    assert [line for line in (*models, *out[1:3]) if not form.fullmatch(line)] == []


def test_completion_is_there_in_the_next_shell(place: Settings, tmp_path: Path) -> None:
    env = plain_environment(HOME=str(tmp_path), SHELL="/bin/bash")
    # One more command: of a last one bash would become the process itself, and it is bash that is looked for
    # among the parents.
    type_in_shell(f"{COMPLETION.text}\n:\n", tmp_path, env)
    for words, last, found in (("resc", 1, "rescore"), ("essays de", 2, "demo")):
        out = type_in_shell(_TAB.format(words=words, last=last), tmp_path, env).stdout
        assert out.split() == [found]


def test_the_frozen_inputs_of_a_run_plan_the_same_calls(
    place: Settings, daydreaming, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("data").symlink_to(place.data_root)
    [frozen] = (place.data_root / "02_tasks/demo/inputs").iterdir()
    type_in_shell(replaced(FROZEN_INPUTS.text, "DIGEST", frozen.name), Path.cwd())
    monkeypatch.setenv("DAYDREAMING_INPUTS_ROOT", "inputs")
    code, out, err = daydreaming("plan", "demo")
    assert (code, err) == (0, "")
    assert "6 generations, 6 answered already" in out
    assert "12 evaluations, 12 answered already" in out


def test_a_migration_is_made_of_a_change_in_the_schema(tmp_path: Path) -> None:
    package = ChangedPackage(tmp_path)
    link_programs(tmp_path)
    store = tmp_path / "include/daydreaming/store"
    schema = store / "schema.py"
    text = replaced(schema.read_text(encoding="utf-8"), _TABLE, f"{_TABLE}    mood: Mapped[str | None]\n")
    schema.write_text(text, encoding="utf-8")
    there = set(store.glob("migrations/versions/*.py"))
    number = f"{len(there) + 1:04}"
    env = plain_environment(PYTHONPATH=str(package.folder / "include"), TMPDIR=str(tmp_path))
    type_in_shell(replaced(MIGRATION.text, '"0002"', f'"{number}"'), tmp_path, env)
    [made] = set(store.glob("migrations/versions/*.py")) - there
    assert made.name == f"{number}_say_what_changes.py"
    upgrade = made.read_text(encoding="utf-8").split("def upgrade")[1].split("def downgrade")[0]
    assert 'op.batch_alter_table("failures"' in upgrade.replace("'", '"')
    assert "mood" in upgrade
    assert re.findall(r"batch_op\.(\w+)\(", upgrade) == ["add_column"]
