from __future__ import annotations

import pytest

from daydreaming.ui.formats import marked_code


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See `daydreaming cost ID --cap USD`, then", "See <code>daydreaming cost e1 --cap USD</code>, then"),
        ("`daydreaming cost EXPERIMENT_ID`", "<code>daydreaming cost e1</code>"),
        ("the ID of `OTHER_ID`", "the ID of <code>OTHER_ID</code>"),
        ("<b> & `<i>`", "&lt;b&gt; &amp; <code>&lt;i&gt;</code>"),
        ("a ` b", "a ` b"),
        ("`a` b ` c", "<code>a</code> b ` c"),
        ("none", "none"),
        ("", ""),
    ],
)
def test_backticks_mark_code_with_the_real_id(text, shown):
    assert marked_code(text, "e1") == shown
