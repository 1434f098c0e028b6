"""What all tables of the list have in common."""

from __future__ import annotations

import pandas as pd
import pytest

from daydreaming.analysis.scores import parsed_scores
from daydreaming.analysis.tables import ANALYSES


@pytest.fixture
def scores(row) -> pd.DataFrame:
    """Two judges on eight essays of two replicates, with one verdict that has no score."""
    return parsed_scores(
        [
            row(
                None if (combo, model, judge) == ("b", "n", "j") else (place * 7 + len(judge)) % 11,
                combo=f"combo_v1_{combo * 12}",
                model=model,
                judge=judge,
                generation_replicate=replicate,
            )
            for place, (combo, model, replicate) in enumerate(
                (c, m, r) for c in "ab" for m in "mn" for r in (1, 2)
            )
            for judge in ("j", "jj")
        ]
    )


@pytest.mark.parametrize("name", ANALYSES)
def test_made_again_it_is_the_same_and_the_scores_stay_as_they_are(name, scores):
    before = scores.copy(deep=True)
    first = ANALYSES[name](scores)
    pd.testing.assert_frame_equal(scores, before)
    pd.testing.assert_frame_equal(first, ANALYSES[name](scores), check_exact=True)
