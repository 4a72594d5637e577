"""One arena for all that a sequence of calls writes for itself: maps, workspaces, arrays too large for the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rdpass.passes.lowering.memory.arena import Interval, assign_offsets, whole_lines
from rdpass.passes.lowering.read.find_calls import CallSequence


@dataclass(frozen=True)
class Arena:
    """Its bytes, the offset of every map in it, and for every call those of the arrays that its function asks for."""

    bytes: int
    maps: tuple[int, ...]
    lifted: tuple[tuple[int, ...], ...]


def plan(sequence: CallSequence, lifted: Mapping[str, tuple[int, ...]]) -> Arena:
    """Places such that nothing overlaps what is alive at the same time. ``lifted``: see ``Functions``."""
    lives = _lives(sequence)
    arrays = [
        [Interval(whole_lines(size), index, index) for size in lifted[call.function]]
        for index, call in enumerate(sequence.calls)
    ]
    offsets, size = assign_offsets([*lives, *(interval for own in arrays for interval in own)])
    rest = iter(offsets[len(lives) :])
    return Arena(size, offsets[: len(lives)], tuple(tuple(next(rest) for _ in own) for own in arrays))


def _lives(sequence: CallSequence) -> list[Interval]:
    """From the first call that touches a map to the last; a map that none touches takes no room."""
    never = Interval(0, len(sequence.calls), -1)
    lives = [never] * len(sequence.maps)
    for index, call in enumerate(sequence.calls):
        for place in call.operands:
            if place.kind == "map":
                life = lives[place.index]
                size = whole_lines(sequence.maps[place.index])
                lives[place.index] = replace(life, size=size, first=min(life.first, index), last=index)
    return lives
