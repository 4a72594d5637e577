"""One arena for all that a sequence of calls writes for itself: maps, workspaces, arrays too large for the stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rdpass.core.call_plan import PlannedMap
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
    lives, arrays = _lives(sequence), _arrays(sequence, lifted)
    offsets, size = assign_offsets([*lives, *(interval for own in arrays for interval in own)])
    rest = iter(offsets[len(lives) :])
    return Arena(size, offsets[: len(lives)], tuple(tuple(next(rest) for _ in own) for own in arrays))


def planned_maps(
    sequence: CallSequence, lifted: Mapping[str, tuple[int, ...]], arena: Arena, base: int
) -> tuple[PlannedMap, ...]:
    """What lies in ``arena``, which begins at ``base``, by offset. A map that one call alone touches is its scratch."""
    places = [*zip(arena.maps, _lives(sequence), strict=True)]
    for offsets, arrays in zip(arena.lifted, _arrays(sequence, lifted), strict=True):
        places += zip(offsets, arrays, strict=True)
    found = [
        PlannedMap(base + offset, life.size, life.first, life.last, "map" if life.last > life.first else "scratch")
        for offset, life in places
        if life.size
    ]
    return tuple(sorted(found, key=lambda each: (each.offset, each.first)))


def _arrays(sequence: CallSequence, lifted: Mapping[str, tuple[int, ...]]) -> list[list[Interval]]:
    """The arrays of every call."""
    return [
        [Interval(whole_lines(size), index, index) for size in lifted[call.function]]
        for index, call in enumerate(sequence.calls)
    ]


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
