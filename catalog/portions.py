"""Work in portions that fit into memory."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def portions(items: Iterable[T], rows: Callable[[T], int], most: int) -> Iterator[list[T]]:
    """Items in their order, in groups of so many rows at most; an item with more is a group of its own.

    Args:
        rows: of an item.
    """
    portion: list[T] = []
    total = 0
    for item in items:
        if portion and total + rows(item) > most:
            yield portion
            portion, total = [], 0
        portion.append(item)
        total += rows(item)
    if portion:
        yield portion
