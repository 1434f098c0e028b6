"""Render each template once in a subprocess, before an experiment starts.

A template may loop for ever or fill the memory. The subprocess (``python -m
daydreaming.prompts.trial``) says which template it is at, so that the parent knows the culprit,
kills it after two seconds on one template, and goes on with the rest in a new one.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import IO, Any

from daydreaming.errors import DaydreamingError, InputError

#: Seconds that one template may take.
TIME_LIMIT_S = 2.0
#: Output that one template may make.
OUTPUT_LIMIT_BYTES = 10_000_000
#: Address space of the subprocess: the output several times over, and Python itself.
MEMORY_LIMIT_BYTES = 512 * 1024 * 1024
#: Isolated: neither the environment nor the working directory decides what is imported.
COMMAND = (sys.executable, "-I", "-m", "daydreaming.prompts.trial")
#: Starting Python on a busy machine may take long; this is no limit on a template.
_START_LIMIT_S = 60.0
#: Foreign names for which a known one is sought that is like it.
_MOST_GUESSED = 20


@dataclass(frozen=True)
class TrialJob:
    """One template and what it will be given.

    Attributes:
        name: How problems name it: the file.
        variables: JSON values; their names are the only ones that the template may use.
        required: The one that it has to use; '' where it need not use any.
    """

    name: str
    text: str
    variables: Mapping[str, Any]
    required: str = ""


def trial_render(jobs: Sequence[TrialJob]) -> list[str]:
    """Compile and render every template once.

    Returns:
        One line per template that failed: its name, what is wrong, what to do; in the order of ``jobs``.

    Raises:
        DaydreamingError: The subprocess could not be started.
    """
    problems: list[str] = []
    rest = list(jobs)
    while rest:
        results = _run_until_stuck(rest)
        problems += [f"{job.name}: {text}" for job, text in zip(rest, results, strict=False) if text]
        rest = rest[len(results) :]
    return problems


def _run_until_stuck(jobs: Sequence[TrialJob]) -> list[str]:
    """Results ('' where all is well) of as many jobs as one subprocess lives through, the culprit's last."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as errors:
        source.write(json.dumps([[job.text, job.variables, job.required] for job in jobs]).encode("ascii"))
        source.seek(0)
        child = subprocess.Popen(  # noqa: S603 (a fixed command)
            COMMAND,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={"PATH": os.defpath, "LANG": "C.UTF-8"},
            cwd=tempfile.gettempdir(),
        )
        try:
            return _collect(child, len(jobs), errors)
        finally:
            child.kill()
            child.wait()
            if child.stdout:
                child.stdout.close()


def _collect(child: subprocess.Popen[bytes], count: int, errors: IO[bytes]) -> list[str]:
    lines = _lines(child)
    if next(lines, None) != "ready":
        errors.seek(0)
        tail = errors.read()[-500:].decode("utf-8", "replace")
        raise DaydreamingError(
            f"templates could not be tried: {sys.executable} did not start. It said: {tail}"
        )
    results: list[str] = []
    while len(results) < count:
        line = next(lines, None)
        if line is None:
            results.append(_cause_of_death(child))
            break
        results.append(str(json.loads(line)))
    return results


def _cause_of_death(child: subprocess.Popen[bytes]) -> str:
    if child.poll() is None:
        return f"does not finish within {TIME_LIMIT_S:g} s. Look for a loop that is too long."
    return (
        f"ended the process that rendered it (exit status {child.returncode}). Look for huge texts or loops."
    )


def _lines(child: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines of the subprocess; ends when it ended, or when the next line takes too long."""
    assert child.stdout is not None  # noqa: S101 (a pipe was asked for)
    limit, buffer = _START_LIMIT_S, b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            deadline = time.monotonic() + limit
            while b"\n" not in buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    return
                chunk = os.read(child.stdout.fileno(), 65536)
                if not chunk:
                    child.wait()
                    return
                buffer += chunk
            line, _, buffer = buffer.partition(b"\n")
            limit = TIME_LIMIT_S
            yield line.decode("ascii")


def check_template(text: str, variables: Mapping[str, Any], required: str = "") -> str:
    """Compile and render one template in this process; '' where all is well, else what is wrong."""
    from daydreaming.prompts.render import TEMPLATE_FAULTS, one_line, render

    try:
        problem = _foreign_names(text, sorted(variables), required) or ""
        if not problem and len(render(text, variables).encode("utf-8", "replace")) > OUTPUT_LIMIT_BYTES:
            problem = f"makes a prompt of more than {OUTPUT_LIMIT_BYTES:,} bytes. Look for a loop."
    except InputError as error:
        return str(error)
    except TEMPLATE_FAULTS as error:
        return f"cannot be used: {type(error).__name__}: {one_line(str(error))}."
    return problem


def _foreign_names(text: str, known: Sequence[str], required: str) -> str | None:
    from jinja2 import meta

    from daydreaming.prompts.render import ENVIRONMENT, compile_template, one_line

    compile_template(text)
    tree = ENVIRONMENT.parse(text)
    if any(True for _ in meta.find_referenced_templates(tree)):
        return (
            "includes, imports or extends another template, which is not offered. Write it out in this file."
        )
    used = meta.find_undeclared_variables(tree)
    foreign = sorted(used - set(known))
    if not foreign and required and required not in used:
        return f"never shows {{{{ {required} }}}}: every prompt would be the same. Write it where it belongs."
    if not foreign:
        return None
    hints = [h for name in foreign[:_MOST_GUESSED] for h in get_close_matches(name, known, 1)]
    meant = f" Did you mean {hints[0]}?" if hints else ""
    return f"uses {one_line(', '.join(foreign))}, which it will not get; it gets {', '.join(known)}.{meant}"


def main() -> None:
    """Read jobs (JSON) from standard input; write one JSON text per template."""
    import resource

    jobs = json.load(sys.stdin)
    cpu_s = int(len(jobs) * TIME_LIMIT_S) + 10
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    import daydreaming.prompts.render  # noqa: F401 (the first template does not pay for it)

    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for text, variables, required in jobs:
        sys.stdout.write(json.dumps(check_template(text, variables, required)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
