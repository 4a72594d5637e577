"""Shuffles move lanes to where their names say; bits stay when they change their type."""

import numpy as np

from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.intrinsics import bits_as, interleaved, llvm, section, shuffled
from tests.kernels.builder.running import ran, unwritten

X = np.arange(8, dtype=np.float32)


def written(value, lanes=4):
    """What a vector made of the two halves of X holds."""

    def write(source, out):
        store(out, value(*(load(source, first, lanes=4) for first in (0, 4))), 0, lanes=lanes)

    return [*ran(write, X, unwritten(lanes))[1]]


def test_lanes_are_numbered_through_all_vectors():
    assert written(lambda a, b: shuffled([a, b], [7, 0, 4, 3])) == [7, 0, 4, 3]


def test_vectors_interleave_lane_by_lane():
    assert written(lambda a, b: interleaved(a, b, 4), 8) == [0, 4, 1, 5, 2, 6, 3, 7]


def test_a_section_is_so_many_lanes():
    assert written(lambda a, b: section(interleaved(a, b, 4), 1, 4)) == [2, 6, 3, 7]


def test_bits_stay_the_same():
    there = written(lambda a, b: bits_as("float32x4", bits_as("int32x4", b)))
    assert there == [4, 5, 6, 7]


def test_an_intrinsic_is_called_by_its_name():
    assert written(lambda a, b: llvm("float32x4", "fma", a, b, b)) == [4, 10, 18, 28]
