from __future__ import annotations

from daydreaming.pipeline.search_groups import group_alike
from daydreaming.pipeline.snippets import SnippetPiece
from daydreaming.pipeline.text_search import FoundText


def found(cell_id: str, part: str, text: str, stage: str = "evaluation") -> FoundText:
    return FoundText(stage, cell_id, part, [SnippetPiece(text, False)], {}, "")


def test_prompts_with_one_passage_stand_at_the_first_ones_place():
    listed = [
        found("a", "prompt", "judge this"),
        found("b", "verdict", "judge this"),
        found("c", "prompt", "judge this"),
        found("d", "prompt", "another"),
        found("e", "verdict", "judge this"),
        found("f", "prompt", "judge this", "generation"),
    ]
    groups = group_alike(listed)
    assert [(g.place, g.first.cell_id, [o.cell_id for o in g.alike]) for g in groups] == [
        (0, "a", ["c"]),
        (1, "b", []),
        (3, "d", []),
        (4, "e", []),
        (5, "f", []),
    ]
