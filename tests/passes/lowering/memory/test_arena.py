"""Offsets of maps in one arena, against what any plan has to keep to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rdpass.passes.lowering.memory.arena import ALIGNMENT, Interval, assign_offsets, whole_lines

INTERVALS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=14)


@given(INTERVALS)
def test_no_two_maps_alive_together_overlap_and_the_arena_is_no_larger_than_all_of_them(raw: list[Any]) -> None:
    intervals = [Interval(64 * size, first, first + length) for size, first, length in raw]
    offsets, size = assign_offsets(intervals)
    placed = list(zip(intervals, offsets, strict=True))
    for index, (a, at) in enumerate(placed):
        assert at % 64 == 0
        assert at + a.size <= size
        for b, other in placed[:index]:
            assert not a.meets(b) or at + a.size <= other or other + b.size <= at
    alive = [sum(a.size for a in intervals if a.first <= step <= a.last) for step in range(20)]
    assert max(alive) <= size <= sum(a.size for a in intervals)


@pytest.mark.parametrize(("size", "whole"), [(0, 0), (1, 64), (64, 64), (65, 128), (1000, 1024)])
def test_sizes_are_rounded_up_to_whole_lines(size: int, whole: int) -> None:
    assert whole_lines(size) == whole
    assert whole_lines(size) % ALIGNMENT == 0


def test_maps_that_touch_one_binding_meet_and_others_share_their_place() -> None:
    assert Interval(64, 0, 2).meets(Interval(64, 2, 3))
    assert not Interval(64, 0, 2).meets(Interval(64, 3, 3))
    assert assign_offsets([Interval(64, 0, 2), Interval(64, 3, 4), Interval(128, 5, 5)]) == ((0, 0, 0), 128)


def test_a_gap_between_maps_is_filled() -> None:
    long, early, late, small = Interval(64, 0, 9), Interval(192, 0, 3), Interval(64, 4, 9), Interval(128, 4, 9)
    offsets, size = assign_offsets([long, early, late, small])
    assert size == 256
    assert len({offsets[0], offsets[2], offsets[3]}) == 3


def test_no_maps_take_no_room() -> None:
    assert assign_offsets([]) == ((), 0)
