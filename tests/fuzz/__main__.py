"""Try hostile and broken inputs, and say how many were tried.

make fuzz
.venv/bin/python -m tests.fuzz --seconds 300 --only yaml template
.venv/bin/python -m tests.fuzz --again build/fuzz/yaml-crash-…
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.child import LARGE
from tests.fuzz.targets import all_targets

FOLDER = Path("build/fuzz")
_TRIED = re.compile(r"^stat::number_of_executed_units:\s*(\d+)$", re.MULTILINE)
_NOTE = re.compile(r"^note: (.*)$", re.MULTILINE)
#: Where files cost no disk, if the machine has such a place.
_IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
#: It tries a fixed number.
_MOST_S = {LARGE: 1_800}
#: Beside its own time a child imports and instruments.
_START_S = 120


def main() -> None:
    targets = all_targets()
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=30, help="for each target (default 30)")
    parser.add_argument("--only", nargs="+", choices=[*targets, LARGE], help="targets (default all)")
    parser.add_argument("--again", type=Path, help="run one saved input once more, and nothing else")
    options = parser.parse_args()
    if options.again:
        targets[options.again.name.partition("-")[0]].run(options.again.read_bytes())
        return
    shutil.rmtree(FOLDER / "corpus", ignore_errors=True)
    FOLDER.mkdir(parents=True, exist_ok=True)
    print(f"{'target':<12}{'inputs tried':>14}{'seconds':>9}  result")
    tried, failed = 0, False
    for name in options.only or [*targets, LARGE]:
        count, seconds, problem, note = _fuzz(name, options.seconds)
        print(f"{name:<12}{count:>14,}{seconds:>9.0f}  {problem or 'ok'}{note}", flush=True)
        tried, failed = tried + count, failed or bool(problem)
    print(f"{tried:,} inputs tried.")
    sys.exit(failed)


def _fuzz(name: str, seconds: int) -> tuple[int, float, str, str]:
    """Inputs tried, seconds, what went wrong and what else there is to say; '' for nothing."""
    began = time.monotonic()
    before = set(FOLDER.glob(f"{name}-*"))
    command = [sys.executable, "-m", "tests.fuzz.child", name, str(FOLDER.absolute()), str(seconds)]
    log = FOLDER / f"{name}.log"
    # The engine ends its process at once, so that nothing there can tidy up.
    with log.open("wb") as out, tempfile.TemporaryDirectory(dir=_IN_MEMORY) as files:
        try:
            status = subprocess.run(
                command,
                stdout=out,
                stderr=out,
                env={**os.environ, "TMPDIR": files},
                timeout=_MOST_S.get(name, seconds + _START_S),
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = None
    text = log.read_text(encoding="utf-8", errors="replace")
    found = _TRIED.findall(text)
    saved = sorted(set(FOLDER.glob(f"{name}-*")) - before)
    problem = ""
    if saved or status != 0 or not found:
        what = "did not end" if status is None else f"ended with status {status}"
        problem = f"{what}; input saved as {saved[0]}" if saved else f"{what}; see {log}"
    note = "".join(f"; {said}" for said in _NOTE.findall(text))
    return sum(map(int, found)), time.monotonic() - began, problem, note


if __name__ == "__main__":
    main()
