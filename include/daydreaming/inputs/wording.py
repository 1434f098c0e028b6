"""How problems of the inputs are worded: short values, likely names, Pydantic's findings as lines."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

#: A longer list is cut.
_LIST_CHARS = 150
_NEAREST = 5
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 6
_SHORT.maxlevel = 2


def show(value: object) -> str:
    """A value as a message quotes it: never longer than a line, whatever a file held."""
    return _SHORT.repr(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean …?``, or nothing where no known name is close."""
    close = get_close_matches(name, list(known), 1)
    return f" Did you mean {close[0]}?" if close else ""


def listed(names: Iterable[str], wanted: str = "") -> str:
    """Names as a list in a sentence; says so where there are none.

    Args:
        names: In their order.
        wanted: What was looked for: of a long list, the names that are most like it are shown.
    """
    known = list(names)
    if len(", ".join(known)) <= _LIST_CHARS:
        return ", ".join(known) or "none"
    near = get_close_matches(wanted, known, _NEAREST, cutoff=0.0)
    shown = [name for name in known if name in near]
    return f"{', '.join(shown)} and {len(known) - len(shown)} more"


def reason(error: ValidationError) -> list[tuple[str, str, object]]:
    """Field, what our own validator said ('' where Pydantic refused the value) and the value, per problem.

    Missing fields are left out: a table's header says it once, not each row.
    """
    found: list[tuple[str, str, object]] = []
    for detail in error.errors(include_url=False):
        if detail["type"] == "missing":
            continue
        field = str(detail["loc"][0]) if detail["loc"] else ""
        ours = detail.get("ctx", {}).get("error") if detail["type"] == "value_error" else None
        found.append((field, str(ours) if ours else "", detail["input"]))
    return found
