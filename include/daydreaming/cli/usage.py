"""What is wrong with a command line, in one line of our own words."""

from __future__ import annotations

import re
from collections.abc import Sequence

_INVALID = re.compile(r"Invalid value for '(?P<option>--?[\w-]+)[^']*': (?P<why>.*)", re.DOTALL)
_RULES = (
    (r"Input should be a valid number", "a number"),
    (r"Input should be a valid integer", "a whole number"),
    (r"Input should be greater than or equal to (\S+)", r"at least \1"),
    (r"Input should be less than or equal to (\S+)", r"at most \1"),
)


def usage_text(message: str, arguments: Sequence[str]) -> str:
    """The parser's message; where a number is refused, with the rule and the value got.

    Args:
        message: As the parser words it.
        arguments: Of the command, as they were typed.
    """
    found = _INVALID.match(message)
    for pattern, rule in _RULES if found else ():
        if found and (why := re.match(pattern, found["why"])):
            value = _value(found["option"], arguments)
            message = f"{found['option']} must be {why.expand(rule)}; got {value!r}."
    return f"{message} See `daydreaming --help`."


def _value(option: str, arguments: Sequence[str]) -> str:
    """What was given for an option last."""
    for place in reversed(range(len(arguments))):
        name, equals, value = arguments[place].partition("=")
        if name == option:
            return value if equals else next(iter(arguments[place + 1 :]), "")
    return ""
