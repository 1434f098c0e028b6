"""How problems of the inputs are worded: short values, likely names, Pydantic's findings as lines."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from difflib import get_close_matches

from pydantic import ValidationError

#: A longer list is cut.
_LIST_CHARS = 150
_NEAREST = 5
#: Of problems that are all of one kind, how many are told one by one; the others are counted.
MOST_TOLD = 20
_LARGEST_BITS = 1_000
_LONGEST_NAME = 250


class _Short(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        # Python writes no number of more than 4,300 digits.
        return super().repr_int(x, level) if x.bit_length() <= _LARGEST_BITS else "a huge number"


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = 80
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = 6
_SHORT.maxlevel = 2


def show(value: object) -> str:
    """A value as a message quotes it: never longer than a line, whatever a file held."""
    return _SHORT.repr(value)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean …?``, or nothing where no known name is close."""
    # Nobody mistypes a name so long, and to compare it takes long.
    close = get_close_matches(name, list(known), 1) if len(name) <= _LONGEST_NAME else []
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
    near = get_close_matches(wanted[:_LONGEST_NAME], known, _NEAREST, cutoff=0.0)
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
