"""Maps at other extents: what is computed for an output, and what sets workloads apart."""

from dataclasses import replace

from rdpass.kernels.workload import Places, Resizing

NEAREST = Resizing(2, 10, 5, 4, 10, 7, "nearest", Places(5, 0, 10), Places(4, 0, 7))


def test_nearest_computes_nothing_and_linear_three_mixtures_an_output():
    assert NEAREST.operations == 0
    assert replace(NEAREST, kind="linear").operations == 2 * 10 * 10 * 7 * 6


def test_places_set_workloads_of_equal_extents_apart():
    other = replace(NEAREST, down=Places(10, 5, 20))
    assert other != NEAREST
    assert len({NEAREST, other, replace(NEAREST)}) == 2
    assert NEAREST.describe() == other.describe() == "nearest 10 5x4 to 10x7"
