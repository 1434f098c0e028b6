"""One target in this process: ``python -m tests.fuzz.child NAME FOLDER SECONDS``, in a process of its own.

The engine is libFuzzer, through atheris: it keeps inputs that reach code which no other has reached.
"""

from __future__ import annotations

import resource
import sys
from importlib import import_module
from pathlib import Path

LARGE = "large"
#: Address space. A target that needs more has a fault; a template that does is refused.
MEMORY_BYTES = 3 * 1024**3
RSS_MB = 1_500
#: Of one input.
SECONDS = 15
LONGEST_INPUT = 8_192
_INSTRUMENTED = ["daydreaming", "jinja2", "yaml"]
#: Imported first, so that the engine sees which of their code an input reaches.
_MODULES = (
    "daydreaming.analysis.export",
    "daydreaming.inputs.choices",
    "daydreaming.inputs.load",
    "daydreaming.inputs.params",
    "daydreaming.llm.batch_result",
    "daydreaming.llm.rate_headers",
    "daydreaming.parsing.essay",
    "daydreaming.parsing.score",
    "daydreaming.prompts.render",
    "daydreaming.prompts.trial",
)


def main() -> None:
    """Fuzz until the time is up; the engine ends the process."""
    name, folder, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    if name == LARGE:
        from tests.fuzz.large import measure_large

        sys.exit(measure_large())
    import atheris

    with atheris.instrument_imports(include=_INSTRUMENTED):
        for module in _MODULES:
            import_module(module)

    from tests.fuzz.targets import all_targets

    target = all_targets()[name]
    corpus, words = folder / "corpus" / name, folder / f"{name}.dict"
    corpus.mkdir(parents=True)
    for number, seed in enumerate(target.seeds):
        (corpus / str(number)).write_bytes(seed.encode())
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
    arguments = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": SECONDS,
        "rss_limit_mb": RSS_MB,
        "artifact_prefix": f"{folder}/{name}-",
        "dict": words,
        "print_final_stats": 1,
    }
    atheris.Setup([name, *(f"-{key}={value}" for key, value in arguments.items()), str(corpus)], target.run)
    atheris.Fuzz()


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())


if __name__ == "__main__":
    main()
