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
#: What lists 10,000 IDs still is shorter; YAML is slow to read.
_MAX_CHARS = 300_000
#: So many lists and mappings in brackets need no names of parameters; each inside another costs more.
_MAX_BRACKETS = 200
_LONGEST_NUMBER = 100
#: What everyone reads alike. YAML takes 010 for 8 and 1:30 for 90, Python takes 1_0 for 10.
PLAIN_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")
_NUMBER_TAGS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_MERGE_TAG = "tag:yaml.org,2002:merge"
#: What PyYAML raises, beside its own errors, where a tag such as ``!!int`` stands before what it cannot be.
_TAG_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML where a key that is written twice is an error; YAML's own rule keeps the last in silence.

    What can make much out of little is not offered: merge keys, and numbers of any length. Nor are numbers
    that are other ones than they look.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == _MERGE_TAG:
                raise _refusal("merge keys (<<) are not offered", key)
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _refusal(f"the key {show(key.value)} is written twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def _refusal(problem: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)


def _read_number(loader: _UniqueKeyLoader, node: yaml.ScalarNode) -> Any:
    if len(node.value) > _LONGEST_NUMBER:
        raise _refusal(f"a number of more than {_LONGEST_NUMBER} characters", node)
    if not PLAIN_NUMBER.fullmatch(node.value):
        raise _refusal(
            f"{show(node.value)} is no plain number; write digits, without '_', ':' or a zero before them, "
            "or put a text in quotes",
            node,
        )
    return yaml.SafeLoader.yaml_constructors[node.tag](loader, node)


for _tag in _NUMBER_TAGS:
    _UniqueKeyLoader.add_constructor(_tag, _read_number)


class YamlError(ValueError):
    """A text is not valid YAML.

    Attributes:
        line: Where, from 1; None where that is not known.
    """

    def __init__(self, problem: str, line: int | None) -> None:
        self.line = line
        super().__init__(problem)


def load_yaml(text: str) -> Any:
    """What a YAML text holds: mappings, lists and plain values.

    Raises:
        YamlError: It is not valid; one line.
    """
    try:
        return yaml.load(text, Loader=_UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, *_TAG_FAULTS) as error:
        mark = getattr(error, "problem_mark", None)
        cause = str(getattr(error, "problem", None) or type(error).__name__)
        raise YamlError(" ".join(cause.split()), mark.line + 1 if mark else None) from error


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
    if len(text) > _MAX_CHARS:
        return {}, [f"{label}: longer than {_MAX_CHARS:,} characters. Shorten it."]
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        return {}, [f"{label}: more than {_MAX_BRACKETS} opening brackets. Write NAME: VALUE lines."]
    try:
        values = load_yaml(text)
    except YamlError as error:
        place = f", line {error.line}" if error.line else ""
        return {}, [f"{label}{place}: not valid YAML: {error}. Correct the file."]
    if not isinstance(values, dict):
        return {}, [f"{label}: must hold NAME: VALUE lines; got {show(values)}. Correct the file."]
    return {str(key): value for key, value in values.items()}, []
