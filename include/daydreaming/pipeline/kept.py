"""Values that a process keeps for as long as nothing about them has changed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """The values last used, by key, each with what it was made of.

    Args:
        most: How many are kept.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, tuple[Hashable, Value]] = OrderedDict()

    def get(
        self,
        key: Hashable,
        marker: Hashable,
        make: Callable[[], Value],
        may_stay: Callable[[Value], bool] = lambda _: True,
    ) -> Value:
        """The value of a key.

        Args:
            key: Whose value.
            marker: What tells whether it has changed; read before the value is made, so that what is written
                meanwhile shows the next time.
            make: Makes it, where none was kept with this marker.
            may_stay: Whether it is as good later, with the same marker.
        """
        kept = self._values.get(key)
        if kept is not None and kept[0] == marker:
            return kept[1]
        value = make()
        # Several threads may come here at once: each step is whole, and either value is right.
        self._values.pop(key, None)
        if may_stay(value):
            self._values[key] = (marker, value)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return value
