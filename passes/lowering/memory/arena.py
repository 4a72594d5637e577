"""Place maps in an arena: offline dynamic storage allocation.

Maps are placed one after the other, each at the lowest offset that is free while it lives. Orders by size and by time
are tried, and the lowest arena is taken: the problem is NP-hard, and for chains the largest first is optimal as a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

ALIGNMENT = 64


@dataclass(frozen=True)
class Interval:
    """A buffer of ``size`` bytes that is alive from binding ``first`` to binding ``last``."""

    size: int
    first: int
    last: int

    def meets(self, other: Interval) -> bool:
        return self.first <= other.last and other.first <= self.last


def whole_lines(size: int) -> int:
    """``size`` rounded up to whole lines of cache."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def assign_offsets(intervals: Sequence[Interval]) -> tuple[tuple[int, ...], int]:
    """An offset for each interval, and the bytes of the arena that holds them."""
    orders: tuple[Callable[[int], Any], ...] = (
        lambda index: (-intervals[index].size, intervals[index].first),
        lambda index: (-(intervals[index].last - intervals[index].first), -intervals[index].size),
        lambda index: intervals[index].first,
    )
    tried = (_place(intervals, sorted(range(len(intervals)), key=order)) for order in orders)
    return min(tried, key=lambda found: found[1])


def _place(intervals: Sequence[Interval], order: Sequence[int]) -> tuple[tuple[int, ...], int]:
    offsets: dict[int, int] = {}
    for index in order:
        taken = sorted(
            (offset, offset + intervals[other].size)
            for other, offset in offsets.items()
            if intervals[index].meets(intervals[other])
        )
        at = 0
        for begin, end in taken:
            if begin - at >= intervals[index].size:
                break
            at = max(at, end)
        offsets[index] = at
    size = max((offset + intervals[index].size for index, offset in offsets.items()), default=0)
    return tuple(offsets[index] for index in range(len(intervals))), size
