"""Pools: windows that lie outside are refused, borders count or do not, as the divisor says."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.kernels.choice import build_kernels
from rdpass.kernels.templates.pooling import POOLING, PoolingTile
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of
from tests.kernels.examples import ARM
from tests.kernels.tester import check, run
from tests.kernels.tolerances import TOLERANCE

POOL = Pooling(2, 10, 9, 11, "max", (3, 3), (2, 2), (1, 1, 1, 1))


@pytest.mark.parametrize("padding", [(3, 1, 1, 1), (1, 1, 1, 5)], ids=str)
def test_a_window_that_sees_nothing_of_the_map_is_refused(padding):
    assert "outside the map" in POOLING.refusal(replace(POOL, padding=padding), ARM)
    assert POOLING.refusal(POOL, ARM) is None


@pytest.mark.parametrize(("width", "default"), [(3, 2), (5, 3), (11, 4)])
def test_tiles_are_no_wider_than_a_row_and_the_default_is_four_pixels_at_most(width, default):
    pool = replace(POOL, width=width)
    tiles = list(POOLING.tiles(pool, ARM))
    assert POOLING.default(pool, ARM) == PoolingTile(default)
    assert POOLING.default(pool, ARM) in tiles
    assert max(tile.pixels for tile in tiles) <= pool.out_width


def test_the_name_says_its_kind_and_it_has_no_constants():
    (kernel,) = build_kernels(replace(POOL, kind="average"), (), PoolingTile(), ARM)
    assert "_average_pool_10_9x11_k3x3_s2_asimd_" in kernel.name
    assert kernel.constants == ()


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    "change",
    [
        {"kind": "average"},
        {"kind": "average", "divisor": 9},
        {"kernel": (5, 2), "stride": (1, 3), "padding": (4, 1, 4, 0)},
        {"kernel": (2, 2), "stride": (3, 3), "padding": (0, 0, 0, 0)},
        {"height": 1, "width": 1, "kind": "average", "divisor": 9},
    ],
    ids=str,
)
def test_borders_and_gaps_between_windows_give_the_oracles_numbers(change, isa):
    check(case_of(replace(POOL, **change), PoolingTile(3), isa, 2), TOLERANCE)


def test_a_largest_number_below_zero_is_not_lost_to_the_border():
    case = case_of(POOL, PoolingTile(), ASIMD)
    below = replace(case, inputs=(-1 - np.abs(case.inputs[0]),))
    assert run(below)[-2].max() <= -1
