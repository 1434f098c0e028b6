"""Run the benchmarks and print one JSON object.

make bench
.venv/bin/python -m tests.bench --only overhead --size 100
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.dispatch import measure_dispatch, measure_shards
from tests.bench.limited import measure_limited, measure_three_triggerers
from tests.bench.overhead import measure_overhead
from tests.bench.pages import measure_pages
from tests.bench.settings import measure_settings
from tests.support.made_design import MadeDesign


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=400, help="instances of each kind (default 400)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each kind runs (default 3)")
    parser.add_argument("--calls", type=int, default=1000, help="calls of 2 s (default 1000)")
    parser.add_argument("--sharded", type=int, default=4000, help="generations in shards (default 4000)")
    parser.add_argument("--keep", action="store_true", help="keep the temporary folder and name it")
    names = ("overhead", "dispatch", "limited", "triggerers", "shards", "settings", "pages")
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="which to run (default all)")
    options = parser.parse_args()
    benches: dict[str, Callable[[Path], dict[str, Any]]] = {
        "overhead": lambda folder: measure_overhead(folder, options.size, options.rounds),
        "dispatch": lambda folder: measure_dispatch(folder, options.calls),
        "limited": measure_limited,
        "triggerers": measure_three_triggerers,
        "shards": lambda folder: measure_shards(folder, options.calls, options.sharded),
        "settings": lambda folder: measure_settings(folder, options.rounds),
        "pages": lambda folder: measure_pages(folder, MadeDesign()),
    }
    folder = Path(tempfile.mkdtemp(prefix="daydreaming-bench-"))
    found: dict[str, Any] = {}
    try:
        for name in options.only:
            found |= benches[name](folder / name)
        print(json.dumps(found, indent=2))
    finally:
        if options.keep:
            print(f"kept: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
