"""Take a connection's secrets out of what a provider sends back. PURE.

Some providers repeat the key in an error; a hostile one, or a router on the way, may put it anywhere. It
knows the key already: what is prevented is that the key spreads into files, tables, logs and pages.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from dataclasses import replace
from urllib.parse import quote, quote_plus

from daydreaming.llm.answer import Answer

HIDDEN = "***"
#: A shorter one is a placeholder for a server that asks for none.
_MIN_SECRET_CHARS = 4
#: In an answer only what no prose holds is taken for a key: a placeholder may be a word.
_MIN_KEY_CHARS, _MIN_PASSPHRASE_CHARS = 8, 24
_CUT = "…"


def forms_of(secrets: Iterable[str]) -> tuple[str, ...]:
    """How secrets may be written: as they are, in JSON, HTML, a URL, hexadecimal or base64; longest first."""
    found = {
        form for secret in secrets if len(secret) >= _MIN_SECRET_CHARS for form in (secret, *_encoded(secret))
    }
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def forms_of_keys(secrets: Iterable[str]) -> tuple[str, ...]:
    """Those of secrets that cannot be a word, a name or a number: what may be sought in an answer."""
    return forms_of(secret for secret in secrets if _is_key(secret))


def hide(text: str, forms: Iterable[str]) -> str:
    """``text`` with ``***`` in the place of each form."""
    for form in forms:
        text = text.replace(form, HIDDEN)
    return text


def hide_in_excerpt(text: str, forms: Iterable[str]) -> str:
    """The same for an excerpt (``…`` at its end), which may end within a secret."""
    text = hide(text, forms)
    cut = text.removesuffix(_CUT)
    if cut == text:
        return text
    for form in forms:
        for length in range(len(form) - 1, _MIN_SECRET_CHARS - 1, -1):
            if cut.endswith(form[:length]):
                return f"{cut[:-length]}{HIDDEN}{_CUT}"
    return text


def hide_in_answer(answer: Answer, forms: Iterable[str]) -> Answer:
    """An answer without the forms, in its text and in all that the provider names; it says so."""
    hidden = replace(
        answer,
        text=hide(answer.text, forms),
        model_returned=hide_in_excerpt(answer.model_returned, forms),
        upstream_provider=hide_in_excerpt(answer.upstream_provider, forms),
        response_id=hide_in_excerpt(answer.response_id, forms),
        finish_reason=hide_in_excerpt(answer.finish_reason, forms),
    )
    return hidden if hidden == answer else replace(hidden, is_redacted=True)


def _is_key(secret: str) -> bool:
    is_mixed = any(c.isdigit() for c in secret) and any(c.isalpha() for c in secret)
    return len(secret) >= (_MIN_KEY_CHARS if is_mixed else _MIN_PASSPHRASE_CHARS)


def _encoded(secret: str) -> Iterable[str]:
    yield quote(secret, safe="")
    yield quote_plus(secret)
    yield html.escape(secret)
    yield secret.encode().hex()
    in_json = json.dumps(secret)[1:-1]
    yield in_json
    yield in_json.replace("/", "\\/")
    for before in range(3):
        yield from _in_base64(secret.encode(), before)


def _in_base64(secret: bytes, before: int) -> Iterable[str]:
    """What is the same in base64 whatever stands around, with ``before`` bytes (modulo 3) before it."""
    first = -(-before * 8 // 6)
    last = (before + len(secret)) * 8 // 6
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        yield encode(bytes(before) + secret).decode()[first:last]
