"""Bytes held for a shortcut's sake alone, kernel by kernel of a schedule.

A shortcut keeps two kinds of buffer: the fork's, from the last time the body (or anything else) reads it to the last
time the shortcut or the add does; and those that only shortcut's kernels write. A kernel that accumulates into such a
buffer would without the shortcut need one of that size for its result, so there the shortcut holds nothing: in a fused
graph the shortcut of a block of two convolutions costs no memory at all.
"""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.plan import Region
from rdpass.passes.analysis.memory.buffers import Inference
from rdpass.passes.analysis.memory.fused_schedule import FusedSchedule


@dataclass(frozen=True)
class Held:
    """Bytes that one shortcut holds at each place of the schedule where it holds any."""

    add: str
    bytes_at: dict[int, int]

    @property
    def most(self) -> int:
        return max(self.bytes_at.values(), default=0)


def held_bytes(inference: Inference, fused: FusedSchedule, regions: tuple[Region, ...]) -> tuple[Held, ...]:
    """One ``Held`` per region, in their order; places count from 0 in running order."""
    timeline = _Timeline(inference, fused)
    return tuple(Held(region.add, timeline.held(region)) for region in regions)


class _Timeline:
    """The place of each node in the schedule, and the readers of each buffer."""

    def __init__(self, inference: Inference, fused: FusedSchedule) -> None:
        self.inference, self.running = inference, fused.running
        self.place = {node: index for index, step in enumerate(self.running) for node in step.nodes}
        self.sizes = {**inference.inputs, **{step.writes: step.bytes for step in self.running}}
        self.readers: dict[str, list[tuple[int, str]]] = {}  # place and node
        for operation in inference.operations:
            for read in operation.reads:
                self.readers.setdefault(read.buffer, []).append((self.place[operation.node], operation.node))

    def held(self, region: Region) -> dict[int, int]:
        own = {*region.shortcut, region.add}
        found: dict[int, int] = {}
        fork = self.inference.buffer_of.get(region.fork)
        if fork in self.sizes and fork not in self.inference.outputs:
            others = [place for place, node in self.readers[fork] if node not in own]
            self._hold(found, fork, max(others, default=-1) + 1, region)
        for name in region.shortcut:
            place = self.place.get(name)
            if place is not None and self.running[place].writes == name and {*self.running[place].nodes} <= own:
                self._hold(found, name, place, region)
        return found

    def _hold(self, found: dict[int, int], buffer: str, first: int, region: Region) -> None:
        own = {*region.shortcut, region.add}
        last = max((place for place, node in self.readers.get(buffer, ()) if node in own), default=-1)
        add = self.place.get(region.add, -1)
        for place in range(first, last + 1):
            if (
                place != add
                or buffer not in self.running[place].over
                or self.sizes[buffer] != self.running[place].bytes
            ):
                found[place] = found.get(place, 0) + self.sizes[buffer]
