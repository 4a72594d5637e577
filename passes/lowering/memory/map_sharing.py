"""Find maps that may lie inside others, so that concatenations and splits have nothing left to do.

A concatenation's parts can be written to where the whole is to be, and a split's parts be read where the whole is.
All of one step's parts go, or none. They may not where

1. a map is touched by others than our kernels, or leaves the network: then it has a place of its own;
2. two wishes contradict one another: a map can't be in two places, as where it is concatenated with itself;
3. a map would be overwritten before its last reader has read it;
4. the arena would grow, for a whole takes its room from when its first part is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

from rdpass.passes.lowering.memory.arena import Interval, assign_offsets, whole_lines


@dataclass(frozen=True)
class Step:
    """A call that touches ``maps`` and writes those in ``writes``.

    ``parts``: all that it does is to put these one behind the other into ``whole``, or to take them from there.
    """

    maps: frozenset[int]
    writes: frozenset[int]
    whole: int = -1
    parts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Steps in order; ``sizes`` of the maps in bytes; ``fixed``: the maps that have a place of their own."""

    sizes: tuple[int, ...]
    steps: tuple[Step, ...]
    fixed: frozenset[int]


@dataclass(frozen=True)
class Sharing:
    """For every map the one that holds it (itself, as a rule) and the byte it begins at there; the steps left out."""

    homes: tuple[tuple[int, int], ...]
    done: frozenset[int]


def share_maps(program: Program) -> Sharing:
    """The sharing that leaves out as many steps as can be, taken one by one in their order."""
    sharing = Sharing(tuple((index, 0) for index in range(len(program.sizes))), frozenset())
    lives = _lives(program)
    room = _arena_bytes(program, sharing)
    for index, step in enumerate(program.steps):
        if not step.parts:
            continue
        wider = _joined(program, sharing, index)
        if wider is None or not _keeps_contents(program, wider, lives, index):
            continue
        needed = _arena_bytes(program, wider)
        if needed <= room:
            sharing, room = wider, needed
    return sharing


def _joined(program: Program, sharing: Sharing, index: int) -> Sharing | None:
    """``sharing`` with the parts of a step inside its whole; None where they can't be."""
    step = program.steps[index]
    if program.fixed & {step.whole, *step.parts}:
        return None
    homes, at = sharing.homes, 0
    for part in step.parts:
        placed = _placed(program.sizes, homes, part, step.whole, at)
        if placed is None:
            return None
        homes, at = placed, at + program.sizes[part]
    return Sharing(homes, sharing.done | {index})


def _placed(
    sizes: Sequence[int], homes: tuple[tuple[int, int], ...], part: int, whole: int, at: int
) -> tuple[tuple[int, int], ...] | None:
    """``homes`` with ``part`` beginning at byte ``at`` of ``whole``; None where one of the two is elsewhere already."""
    (inner, begin), (outer, start) = homes[part], homes[whole]
    offset = start + at - begin  # where the part's home begins in the whole's
    if inner == outer:
        return homes if offset == 0 else None
    for moved, into, shift in ((inner, outer, offset), (outer, inner, -offset)):
        if 0 <= shift <= sizes[into] - sizes[moved]:
            return tuple((into, place + shift) if home == moved else (home, place) for home, place in homes)
    return None


def _keeps_contents(program: Program, sharing: Sharing, lives: Sequence[tuple[int, int]], index: int) -> bool:
    """Tell whether nobody writes to where another map of the same home still is, or is written by the same step."""
    home = sharing.homes[program.steps[index].whole][0]
    together = [each for each, (found, _) in enumerate(sharing.homes) if found == home]
    writes = {
        each: [at for at, other in enumerate(program.steps) if each in other.writes and at not in sharing.done]
        for each in together
    }
    return not any(
        lives[kept][0] <= at <= lives[kept][1]
        for written, kept in permutations(together, 2)
        if _overlap(program, sharing, written, kept)
        for at in writes[written]
    )


def _overlap(program: Program, sharing: Sharing, one: int, other: int) -> bool:
    begin, start = sharing.homes[one][1], sharing.homes[other][1]
    return begin < start + program.sizes[other] and start < begin + program.sizes[one]


def _lives(program: Program) -> list[tuple[int, int]]:
    """The first and the last step that touches each map; an empty range for none."""
    lives = [(len(program.steps), -1)] * len(program.sizes)
    for at, step in enumerate(program.steps):
        for each in step.maps:
            lives[each] = (min(lives[each][0], at), at)
    return lives


def _arena_bytes(program: Program, sharing: Sharing) -> int:
    """Bytes of an arena of all the maps that have no place of their own."""
    lives: dict[int, tuple[int, int]] = {}
    for at, step in enumerate(program.steps):
        if at in sharing.done:
            continue
        for home in {sharing.homes[each][0] for each in step.maps - program.fixed}:
            lives[home] = (lives.get(home, (at, at))[0], at)
    return assign_offsets([Interval(whole_lines(program.sizes[home]), *life) for home, life in lives.items()])[1]
