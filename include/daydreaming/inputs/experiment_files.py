"""Saved experiments: ``experiments/<name>.yaml`` as plain mappings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from daydreaming.inputs.text_files import read_text
from daydreaming.inputs.wording import did_you_mean, listed, show

_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ENDING = ".yaml"


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML where a key that is written twice is an error; YAML's own rule keeps the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is written twice", key.start_mark
                )
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def experiment_names(experiments_dir: Path) -> list[str]:
    """Names of the saved experiments, sorted; none where the folder is missing."""
    if not experiments_dir.is_dir():
        return []
    stems = (p.name.removesuffix(_ENDING) for p in experiments_dir.iterdir() if p.name.endswith(_ENDING))
    return sorted(stem for stem in stems if _NAME.fullmatch(stem) and stem.strip("."))


def read_experiment(experiments_dir: Path, name: str) -> tuple[dict[str, Any], list[str]]:
    """The mapping that a file holds, and its problems, one line each; values are not checked here."""
    names = experiment_names(experiments_dir)
    if name not in names:
        hint = did_you_mean(name, names)
        there = listed(names, name) if names else f"none in {experiments_dir} (DAYDREAMING_INPUTS_ROOT)"
        return {}, [f"there is no saved experiment {show(name)}.{hint} Saved experiments: {there}."]
    label = f"experiments/{name}{_ENDING}"
    problems: list[str] = []
    text = read_text(experiments_dir / f"{name}{_ENDING}", label, problems)
    if text is None or problems:
        return {}, problems
    try:
        values = yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return {}, [f"{label}{_place(error)}: not valid YAML: {_cause(error)}. Correct the file."]
    if not isinstance(values, dict):
        return {}, [f"{label}: must hold NAME: VALUE lines; got {show(values)}. Correct the file."]
    return {str(key): value for key, value in values.items()}, []


def _place(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def _cause(error: Exception) -> str:
    return str(getattr(error, "problem", None) or type(error).__name__)
