"""Buffers that outlive the next kernel run beside the kernels, each in a lane of its own."""

from __future__ import annotations

import heapq
from dataclasses import dataclass


@dataclass(frozen=True)
class Wire:
    """A buffer from the row that writes it to the rows that read it; ``shortcut`` those that do so as a shortcut."""

    buffer: str
    row: int
    readers: tuple[int, ...]
    shortcut: tuple[int, ...]

    @property
    def last(self) -> int:
        return max((*self.readers, *self.shortcut))


def lanes(wires: list[Wire]) -> dict[str, int]:
    """A lane for each wire's buffer, none shared by two that overlap, the fewest there can be; O(n log n)."""
    free: list[int] = []
    taken: list[tuple[int, int]] = []  # last row, lane
    found: dict[str, int] = {}
    for wire in sorted(wires, key=lambda wire: (wire.row, wire.last)):
        while taken and taken[0][0] <= wire.row:
            heapq.heappush(free, heapq.heappop(taken)[1])
        lane = heapq.heappop(free) if free else len(taken)
        found[wire.buffer] = lane
        heapq.heappush(taken, (wire.last, lane))
    return found
