"""What a connection's extra says of limits; more of it through the trigger, in test_shared_clients.py."""

from __future__ import annotations

import pytest

from daydreaming.errors import InputError
from daydreaming.llm.limits import RateLimits
from daydreaming.pipeline.called_limits import CalledLimits
from daydreaming.pipeline.connection_limits import ConnectionLimits, row_limits
from tests.unit.pipeline.test_wall_time import model


@pytest.mark.parametrize("extra", [None, {}, [], "text", 5, {"rate_limits": None}, {"other": {"rpm": 1}}])
def test_an_extra_without_limits_sets_none(extra):
    assert ConnectionLimits.of_extra("c", extra) == ConnectionLimits("c")
    assert ConnectionLimits("c").of(model(rpm=3)) == row_limits(model(rpm=3)) == RateLimits(rpm=3)


def test_a_value_is_checked_with_the_models_that_it_limits():
    limits = ConnectionLimits.of_extra("c", {"rate_limits": {"rpm": 0, "models": {"m": {"rpm": 2}}}})
    assert limits.of(model("m")) == RateLimits(rpm=2)
    assert limits.of(model("other", rpm=5)) == RateLimits(rpm=5)
    with pytest.raises(InputError, match=r"^Airflow connection 'c': .*rpm must be .* got 0"):
        limits.of(model("other"))


class TestCalledLimits:
    """Limits of several models, and where they come from."""

    def read(self, *models) -> CalledLimits:
        known = {"silent": ConnectionLimits("silent"), "strict": ConnectionLimits("strict", {"rpm": 7})}
        return CalledLimits.read(models, known.get)

    def test_sources_are_those_that_set_a_limit_and_each_is_named_once(self):
        found = self.read(
            model("a", "strict", rpm=2),
            model("b", "strict"),
            model("c", "strict", rpm=3),
            model("d", "silent"),
        )
        assert found.sources == ("llm_models.csv", "connection strict")
        assert [found.of(model(name)) for name in "abcd"] == [
            RateLimits(rpm=2), RateLimits(rpm=7), RateLimits(rpm=3), RateLimits(),
        ]  # fmt: skip
        assert found.notes() == ()

    def test_a_connection_that_the_row_overrides_is_no_source(self):
        assert self.read(model("a", "strict", rpm=2)).sources == ("llm_models.csv",)

    def test_a_connection_that_is_not_known_is_told_and_the_row_counts(self):
        found = self.read(model("a", "stored", rpm=2), model("b", "stored"), model("c", "silent"))
        assert (found.unknown, found.of(model("a"))) == (("stored",), RateLimits(rpm=2))
        [note] = found.notes()
        assert "variable for it: connection stored. Airflow must have it" in note

    def test_a_batch_has_no_limits_and_needs_no_connection(self):
        batched = model("a", "stored", rpm=2, pool="llm_batch")
        found = self.read(batched)
        assert (found.of(batched), found.sources, found.unknown) == (RateLimits(), (), ())

    def test_each_connection_is_read_once(self):
        asked = []
        CalledLimits.read([model("a"), model("b"), model("c", "other")], lambda c: asked.append(c))
        assert asked == ["c", "other"]
