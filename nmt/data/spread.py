"""A sample of a stream that is spread evenly over it."""

from __future__ import annotations

from typing import Generic, TypeVar

Item = TypeVar("Item")


class Spread(Generic[Item]):
    """Every k-th item, where k doubles so that at most 2 * `size` items are in memory."""

    def __init__(self, size: int) -> None:
        self.items: list[Item] = []
        self.seen = 0
        self._size = size
        self._step = 1

    def add(self, item: Item) -> None:
        if self.seen % self._step == 0:
            self.items.append(item)
            if len(self.items) == 2 * self._size:
                del self.items[1::2]
                self._step *= 2
        self.seen += 1
