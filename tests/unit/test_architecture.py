"""Arrows point one way: dags → operators, triggers → pipeline → llm, store → pure modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import daydreaming

PACKAGE = Path(daydreaming.__file__).parent
REPOSITORY = PACKAGE.parents[1]
BASE = {"daydreaming", "daydreaming.errors", "daydreaming.inputs.records"}
PURE = (
    "design",
    "prompts",
    "parsing",
    "analysis",
    "charts",
    "report",
    "llm/answer.py",
    "llm/limits.py",
    "llm/price.py",
    "llm/rate_headers.py",
    "llm/redaction.py",
    "llm/retry.py",
)
#: The trial render in a subprocess; a judge's file read in constant memory.
NOT_PURE = {"prompts/trial.py", "parsing/score.py", "parsing/tail.py"}
OUTSIDE = {
    "os",
    "subprocess",
    "socket",
    "time",
    "random",
    "logging",
    "tempfile",
    "shutil",
    "sqlalchemy",
    "openai",
}
#: By part of the package: what it may import of the others, beside itself and the base.
ALLOWED = {
    "design": set(),
    "prompts": set(),
    "parsing": set(),
    "analysis": {"parsing"},
    "charts": set(),
    "report": {"charts", "llm"},
    "llm": set(),
    "inputs": {"design", "parsing", "prompts"},
    "store": {"design", "inputs", "llm", "objects", "parsing", "settings"},
    "pipeline": {
        "analysis",
        "design",
        "inputs",
        "llm",
        "objects",
        "parsing",
        "prompts",
        "report",
        "settings",
        "store",
    },
    "triggers": {"design", "inputs", "llm", "pipeline", "settings", "store"},
    "operators": {"inputs", "objects", "pipeline", "settings", "store", "triggers"},
    "ui": {"analysis", "charts", "inputs", "parsing", "pipeline", "settings", "store"},
    "policy": {"llm", "objects", "pipeline", "prompts", "settings", "store"},
    "settings": {"objects"},
    "objects": set(),
    "errors": set(),
}
AIRFLOW_EDGE = {"operators", "triggers", "cli", "ui"}
#: Airflow alone knows its connections; this module asks it when a bucket is first looked into.
OPENS_BUCKETS = "objects/file_system.py"
#: Never at module level in what every task instance imports.
HEAVY = {"pandas", "numpy", "scipy", "pyarrow", "pydantic", "sqlalchemy", "alembic", "openai", "genai_prices"}
#: What `daydreaming.operators.llm` may bring: everything that each task instance imports of ours.
EVERY_INSTANCE = (
    "errors",
    "settings",
    "objects",
    "policy",
    "inputs/records.py",
    "inputs/snapshot.py",
    "inputs/choices.py",
    "design",
    "prompts",
    "parsing",
    "llm/answer.py",
    "llm/client.py",
    "llm/limits.py",
    "llm/price.py",
    "llm/price_list.py",
    "llm/redaction.py",
    "llm/request.py",
    "llm/retry.py",
    "pipeline/call.py",
    "pipeline/connection_limits.py",
    "pipeline/frozen.py",
    "pipeline/pricing.py",
    "pipeline/rows.py",
    "pipeline/scoring.py",
    "store/answer_records.py",
    "store/claims.py",
    "store/database.py",
    "store/files.py",
    "store/id_chunks.py",
    "store/input_copy.py",
    "store/members.py",
    "store/migrate.py",
    "store/object_answers.py",
    "store/plans.py",
    "store/results.py",
    "store/scores.py",
    "store/times.py",
    "store/turns.py",
    "store/upsert.py",
    "operators",
    "triggers",
)


def modules(*parts):
    """Python files of parts of the package: folders, files, or modules by name."""
    found = []
    for part in parts:
        path = PACKAGE / part
        files = path.rglob("*.py") if path.is_dir() else [path if path.suffix else path.with_suffix(".py")]
        found += sorted(files)
    return found


def imported(path, *, module_level_only=False):
    """Full names of what a file imports; what only type checkers see is left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending, names = list(tree.body), []
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            pending += node.orelse
            continue
        if module_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.append(node.module)
        pending += ast.iter_child_nodes(node)
    return names


def part_of(path):
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def name(path):
    return path.relative_to(PACKAGE).as_posix()


def test_the_scan_sees_imports_of_every_kind(tmp_path):
    path = tmp_path / "x.py"
    path.write_text(
        "import a.b, c\nfrom d.e import f\nif TYPE_CHECKING:\n import hidden\nelse:\n import shown\n"
        "try:\n import g\nexcept ImportError: pass\nclass C:\n import h\n def m(self):\n  import lazy\n"
    )
    assert set(imported(path)) == {"a.b", "c", "d.e", "shown", "g", "h", "lazy"}
    assert "lazy" not in imported(path, module_level_only=True)
    assert "h" in imported(path, module_level_only=True)


@pytest.mark.parametrize("path", modules(*ALLOWED), ids=name)
def test_a_part_imports_only_what_lies_below_it(path):
    part = part_of(path)
    ours = {n for n in imported(path) if n.split(".")[0] == "daydreaming"} - BASE
    parts = {n.split(".")[1] for n in ours}
    assert parts - {part} <= ALLOWED[part]


@pytest.mark.parametrize("path", [p for p in modules(*PURE) if name(p) not in NOT_PURE], ids=name)
def test_a_pure_module_does_not_touch_the_outside_world(path):
    assert not {n.split(".")[0] for n in imported(path)} & OUTSIDE


@pytest.mark.parametrize("path", modules("."), ids=name)
def test_airflow_is_imported_at_the_edge_only(path):
    roots = {n.split(".")[0] for n in imported(path)}
    assert "airflow" not in roots or part_of(path) in AIRFLOW_EDGE or name(path) == OPENS_BUCKETS


@pytest.mark.parametrize("path", modules(*EVERY_INSTANCE), ids=name)
def test_what_every_task_instance_imports_imports_nothing_heavy_with_it(path):
    roots = {n.split(".")[0] for n in imported(path, module_level_only=True)}
    assert not roots & HEAVY


def run_blocked(blocked, statement):
    code = (
        f"import sys\nfor name in {sorted(blocked)!r}: sys.modules[name] = None\n{statement}\n"
        "print(*sorted(n for n in sys.modules if n.split('.')[0] == 'daydreaming'), sep=',')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return set(run.stdout.strip().splitlines()[-1].split(","))


def test_the_path_of_one_call_needs_nothing_heavy_to_be_imported():
    found = run_blocked(
        {*HEAVY, "airflow"},
        "import daydreaming.llm.client, daydreaming.pipeline.call, daydreaming.store.claims",
    )
    assert "daydreaming.store.schema" not in found


def test_the_operator_and_its_trigger_need_neither_pandas_nor_a_provider_to_be_imported():
    # Airflow itself brings pydantic and SQLAlchemy.
    found = run_blocked(
        {"pandas", "numpy", "scipy", "openai", "airflow.providers.openai.hooks"},
        "import daydreaming.operators.llm, daydreaming.operators.form, daydreaming.operators.failures",
    )
    ours = {PACKAGE.parent / f"{n.replace('.', '/')}.py" for n in found}
    listed = set(modules(*EVERY_INSTANCE, "store/schema.py"))  # which the policy loads ahead
    assert {name(p) for p in ours - listed if p.is_file()} == set()


def test_dag_files_import_only_the_edge_and_nothing_heavy():
    for path in sorted((REPOSITORY / "dags").glob("*.py")):
        roots = {n.split(".")[0] for n in imported(path, module_level_only=True)}
        parts = {
            n.split(".")[1] for n in imported(path, module_level_only=True) if n.startswith("daydreaming.")
        }
        assert not roots & HEAVY, path.name
        assert parts <= {"operators", "triggers", "settings", "errors"}, path.name
