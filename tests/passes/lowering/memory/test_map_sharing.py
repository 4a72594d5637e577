"""Maps inside others, against an oracle that copies: what a kernel reads is the same in both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rdpass.passes.lowering.memory.map_sharing import Program, Sharing, Step, share_maps

LINE = 64


@dataclass
class Sketch:
    """A program while it is drawn; ``known`` are the maps that have been written."""

    sizes: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    known: list[int] = field(default_factory=list)

    def new(self, lines: int) -> int:
        self.sizes.append(lines * LINE)
        return len(self.sizes) - 1

    def kernel(self, reads: list[int], written: int) -> None:
        self.steps.append(Step(frozenset({*reads, written}), frozenset({written})))
        self.known = [*dict.fromkeys([*self.known, written])]

    def join(self, parts: list[int]) -> None:
        whole = self.new(sum(self.sizes[part] for part in parts) // LINE)
        self.steps.append(Step(frozenset({*parts, whole}), frozenset({whole}), whole, tuple(parts)))
        self.known.append(whole)

    def split(self, whole: int, first: int) -> None:
        parts = (self.new(first), self.new(self.sizes[whole] // LINE - first))
        self.steps.append(Step(frozenset({whole, *parts}), frozenset(parts), whole, parts))
        self.known += parts


@st.composite
def programs(draw: Any) -> Program:
    sketch = Sketch()
    sketch.kernel([], sketch.new(draw(st.integers(1, 3))))
    for _ in range(draw(st.integers(1, 9))):
        some = st.lists(st.sampled_from(sketch.known), min_size=1, max_size=3)
        kind = draw(st.sampled_from(["kernel", "in place", "join", "join", "split"]))
        whole = draw(st.sampled_from(sketch.known))
        if kind == "join":
            sketch.join(draw(some))
        elif kind == "split" and sketch.sizes[whole] > LINE:
            sketch.split(whole, draw(st.integers(1, sketch.sizes[whole] // LINE - 1)))
        elif kind == "in place":
            sketch.kernel(draw(some), whole)
        else:
            sketch.kernel(draw(some), sketch.new(draw(st.integers(1, 3))))
    sketch.kernel(draw(st.lists(st.sampled_from(sketch.known), min_size=1, max_size=4)), sketch.new(1))
    fixed = draw(st.sets(st.sampled_from(sketch.known), max_size=1))
    return Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset(fixed))


def _what_kernels_read(program: Program, sharing: Sharing) -> list[Any]:
    """What every kernel finds in the maps that it touches, when maps lie where ``sharing`` says.

    A kernel fills what it writes with numbers of its own; a join or split that is left copies.
    """
    memory: dict[tuple[int, int], Any] = {}

    def lines(each: int) -> list[tuple[int, int]]:
        home, offset = sharing.homes[each]
        return [(home, offset // LINE + line) for line in range(program.sizes[each] // LINE)]

    found: list[Any] = []
    known: set[int] = set()
    for at, step in enumerate(program.steps):
        known |= program.steps[at - 1].writes if at else set()
        if at in sharing.done:
            continue
        if step.parts:
            whole = lines(step.whole)
            pieces = [place for part in step.parts for place in lines(part)]
            source, target = (pieces, whole) if step.whole in step.writes else (whole, pieces)
            memory.update(zip(target, [memory[place] for place in source], strict=True))
            continue
        read = sorted(each for each in step.maps if each in known)
        found.append([memory[place] for each in read for place in lines(each)])
        for written in step.writes:
            memory.update({place: (at, line) for line, place in enumerate(lines(written))})
    return found


def _apart(program: Program) -> Sharing:
    return Sharing(tuple((index, 0) for index in range(len(program.sizes))), frozenset())


@settings(max_examples=400, deadline=None)
@given(programs())
def test_kernels_read_what_they_would_read_if_everything_were_copied(program: Program) -> None:
    sharing = share_maps(program)
    assert _what_kernels_read(program, sharing) == _what_kernels_read(program, _apart(program))
    assert all(sharing.homes[each] == (each, 0) for each in program.fixed)
    for each, (home, offset) in enumerate(sharing.homes):
        assert sharing.homes[home] == (home, 0)
        assert 0 <= offset <= program.sizes[home] - program.sizes[each]


def test_a_split_whose_parts_are_joined_with_more_leaves_nothing_to_copy() -> None:
    sketch = Sketch()
    source = sketch.new(4)
    sketch.kernel([], source)
    sketch.split(source, 2)
    sketch.kernel([2], third := sketch.new(2))
    sketch.join([1, 2, third])
    sketch.kernel([sketch.known[-1]], sketch.new(1))
    sharing = share_maps(Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset()))
    assert sharing.done == {1, 3}
    assert sharing.homes[:5] == ((4, 0), (4, 0), (4, 2 * LINE), (4, 4 * LINE), (4, 0))


def test_every_concatenation_of_a_dense_block_lies_in_the_last() -> None:
    sketch = Sketch()
    maps = [sketch.new(1)]
    sketch.kernel([], maps[0])
    for _ in range(4):
        sketch.join(maps) if len(maps) > 1 else None
        sketch.kernel([sketch.known[-1]], new := sketch.new(1))
        maps.append(new)
    sketch.join(maps)
    sharing = share_maps(Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset()))
    last = len(sketch.sizes) - 1
    assert {home for home, _ in sharing.homes} == {last}
    assert [sharing.homes[each][1] // LINE for each in maps] == [0, 1, 2, 3, 4]


def test_a_map_joined_with_itself_is_copied() -> None:
    sketch = Sketch()
    sketch.kernel([], sketch.new(1))
    sketch.join([0, 0])
    sketch.kernel([1], sketch.new(1))
    assert not share_maps(Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset())).done


def test_a_whole_that_is_read_after_a_part_was_written_over_is_copied() -> None:
    sketch = Sketch()
    sketch.kernel([], sketch.new(2))
    sketch.split(0, 1)
    sketch.kernel([2], 1)
    sketch.kernel([0], sketch.new(1))
    assert not share_maps(Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset())).done


def test_what_would_enlarge_the_arena_is_copied() -> None:
    """A part waits long for a whole of which it is little, while a larger map comes and goes."""
    sketch = Sketch()
    sketch.kernel([], early := sketch.new(1))
    sketch.kernel([], large := sketch.new(20))
    sketch.kernel([large], between := sketch.new(1))
    sketch.kernel([between], late := sketch.new(9))
    sketch.join([early, late])
    sketch.kernel([sketch.known[-1]], sketch.new(1))
    assert not share_maps(Program(tuple(sketch.sizes), tuple(sketch.steps), frozenset())).done
