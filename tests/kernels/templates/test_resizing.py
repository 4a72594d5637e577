"""Maps at other extents: periods that are written out or computed, one pixel, and places beyond both ends."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.resizing import RESIZING, ResizingTile
from rdpass.kernels.workload import Places, Resizing
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of
from tests.kernels.examples import ARM
from tests.kernels.tester import check, run
from tests.kernels.tolerances import TOLERANCE

TWICE = Resizing(2, 10, 5, 4, 10, 8, "linear", Places(10, -5, 20), Places(8, -4, 16))


def half_pixel(given, wanted):
    """Centres of pixels on centres of pixels, as torch does unless corners are aligned."""
    return Places(2 * given, given - wanted, 2 * wanted)


def to(height, width, kind="linear"):
    return replace(
        TWICE, out_height=height, out_width=width, kind=kind, down=half_pixel(5, height), across=half_pixel(4, width)
    )


def test_every_map_has_the_same_four_tiles():
    assert [tile.periods for tile in RESIZING.tiles(TWICE, ARM)] == [4, 1, 2, 8]
    assert RESIZING.default(TWICE, ARM) == ResizingTile(4)


@pytest.mark.parametrize("kind", ["nearest", "linear"])
def test_the_name_says_the_kind_and_both_extents(kind):
    (kernel,) = build_kernels(to(10, 8, kind), (), ResizingTile(), ARM)
    assert f"_{kind}_resizing_10_5x4_10x8_asimd_" in kernel.name
    assert kernel.constants == ()


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize("kind", ["nearest", "linear"])
@pytest.mark.parametrize("size", [(10, 8), (7, 9), (1, 1), (3, 2), (23, 37)], ids=str)
def test_whole_factors_long_periods_and_smaller_maps_give_the_oracles_numbers(size, kind, isa):
    check(case_of(to(*size, kind), ResizingTile(2), isa, 2), TOLERANCE)


def test_a_map_of_one_pixel_is_spread_over_all():
    work = Resizing(1, 4, 1, 1, 3, 5, "linear", half_pixel(1, 3), half_pixel(1, 5))
    case = case_of(work, ResizingTile(), ASIMD)
    source, output = case.inputs[0], run(case)[-2]
    assert np.array_equal(output, np.broadcast_to(source, output.shape))


def test_aligned_corners_keep_the_corners_bits():
    work = replace(to(9, 7), down=Places(4, 0, 8), across=Places(3, 0, 6))
    case = case_of(work, ResizingTile(), ASIMD)
    source, output = case.inputs[0], run(case)[-2]
    for inner, outer in ((0, 0), (3, 6), (-4, -7), (-1, -1)):
        assert np.array_equal(output[:, :, outer], source[:, :, inner])
