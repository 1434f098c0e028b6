"""What a person types into a search field, as an FTS5 query that cannot be wrong. PURE."""

from __future__ import annotations

import re

_TERM = re.compile(r'"(?P<phrase>[^"]*)(?:"|$)(?P<phrase_star>\*?)|(?P<word>[^\s"]+)')


def match_expression(typed: str) -> str:
    """The query that finds texts with all words, ``"phrases"`` and ``prefixes*``; '' where there is none.

    Every term is quoted, so that nothing in it is syntax: signs between letters part words, as they do in the
    index, and a word with them is a phrase.
    """
    terms = []
    for term in _TERM.finditer(typed):
        text = term["phrase"] if term["word"] is None else term["word"].rstrip("*")
        is_prefix = bool(term["phrase_star"]) if term["word"] is None else term["word"].endswith("*")
        plain = "".join(character if character.isprintable() else " " for character in text)
        if any(character.isalnum() for character in plain):
            terms.append(f'"{plain}"{"*" if is_prefix else ""}')
    return " ".join(terms)
