"""What an expression of Prometheus asks for: which metrics, and which of their labels."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""(?P<text>"(?:[^"\\]|\\.)*")"""
    r"""|(?P<range>\[[^\]]*\])"""
    r"""|(?P<number>\d+(?:\.\d+)?(?:ms|[smhdwy])?)"""
    r"""|(?P<name>[A-Za-z_:][A-Za-z0-9_:]*)"""
    r"""|(?P<mark>=~|!~|!=|==|>=|<=|[-+*/%^=<>(){},])"""
    r"""|(?P<space>\s+)"""
)
_FUNCTIONS = {"rate", "increase", "histogram_quantile", "absent", "sum", "max", "min", "avg", "count"}
_GROUPING = {"by", "without", "on", "ignoring"}
_WORDS = {"or", "and", "unless", "offset", "bool"}


@dataclass(frozen=True)
class Asked:
    """Metrics of an expression, each with the labels that it is chosen by; and labels it is grouped by."""

    metrics: tuple[tuple[str, frozenset[str]], ...]
    grouped_by: frozenset[str]


def read_expression(text: str) -> Asked:
    """Take an expression apart.

    Raises:
        ValueError: It holds something that this does not know.
    """
    tokens = _tokens(text)
    metrics: list[tuple[str, frozenset[str]]] = []
    grouped_by: set[str] = set()
    index = 0
    while index < len(tokens):
        kind, token = tokens[index]
        following = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        index += 1
        if kind != "name" or token in _WORDS:
            continue
        if token in _GROUPING:
            index, names = _names_until(tokens, index + 1, ")")
            grouped_by |= names
        elif following == "(" or (following in _GROUPING and token in _FUNCTIONS):
            if token not in _FUNCTIONS:
                raise ValueError(f"{token}() is not known here: add it where expressions are read.")
        elif following == "{":
            index, names = _names_until(tokens, index + 1, "}")
            metrics.append((token, frozenset(names)))
        else:
            metrics.append((token, frozenset()))
    return Asked(tuple(metrics), frozenset(grouped_by))


def _tokens(text: str) -> list[tuple[str, str]]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            raise ValueError(f"not known in an expression: {text[position : position + 20]!r}")
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
        position = match.end()
    return found


def _names_until(tokens: list[tuple[str, str]], index: int, end: str) -> tuple[int, set[str]]:
    names = set()
    while tokens[index][1] != end:
        if tokens[index][0] == "name":
            names.add(tokens[index][1])
        index += 1
    return index + 1, names
