"""A group for every channel: what is refused, which tiles fit a map, where weights stay, and numbers at the borders."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import choose_default
from rdpass.kernels.templates.depthwise import (
    DEPTHWISE,
    DepthwiseTile,
    axes,
    holds_weights,
    registers_missing,
)
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of
from tests.kernels.examples import ARM
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

CONV = Convolution(2, 13, 13, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1), groups=13)


@pytest.mark.parametrize("change", [{"groups": 1}, {"filters": 26}, {"channels": 1, "filters": 1, "groups": 1}])
def test_what_sums_over_channels_is_refused(change):
    assert "not a group for every channel" in DEPTHWISE.refusal(replace(CONV, **change), ARM)
    assert DEPTHWISE.refusal(CONV, ARM) is None


def test_no_tile_is_larger_than_the_map_and_one_pixel_is_always_there():
    for height, width in ((1, 1), (2, 4), (9, 3)):
        work = replace(CONV, height=height, width=width)
        tiles = list(DEPTHWISE.tiles(work, ARM))
        assert DepthwiseTile(1, 1) in tiles
        assert all(tile.rows <= work.out_height and tile.pixels <= work.out_width for tile in tiles)


def test_weights_of_three_by_three_stay_in_registers_and_those_of_seven_by_seven_do_not():
    large = replace(CONV, kernel=(7, 7), padding=(3, 3, 3, 3))
    assert holds_weights(CONV, DepthwiseTile(1, 4), ASIMD)
    assert not holds_weights(large, DepthwiseTile(1, 4), ASIMD)
    assert not holds_weights(CONV, DepthwiseTile(2, 4), AVX2)


def test_a_tile_that_wants_more_registers_than_there_are_costs_more_by_what_is_put_aside():
    wide = DepthwiseTile(4, 8)
    assert registers_missing(CONV, DepthwiseTile(2, 4), ASIMD) == 0
    assert registers_missing(CONV, wide, ASIMD) > 0
    work = replace(CONV, height=64, width=64)
    assert choose_default(work, ARM) != wide
    assert DEPTHWISE.cost(work, wide, ARM) > DEPTHWISE.cost(work, choose_default(work, ARM), ARM)


def test_axes_are_the_maps_with_what_a_dilated_window_sees():
    down, across = axes(replace(CONV, dilation=(2, 3), padding=(1, 2, 0, 4), stride=(2, 1)))
    assert (down.extent, across.extent) == (9, 11)
    assert (down.before, across.before, down.stride, across.stride) == (1, 2, 2, 1)
    assert (down.reach, across.reach) == (5, 7)


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    "change",
    [
        {"padding": (2, 0, 0, 2)},
        {"stride": (2, 3), "kernel": (5, 3), "padding": (2, 1, 2, 1)},
        {"dilation": (3, 2), "padding": (3, 2, 3, 2)},
        {"kernel": (7, 7), "padding": (6, 6, 6, 6), "height": 2, "width": 1},
        {"epilogue": Epilogue("prelu", add=True, in_place=True)},
    ],
    ids=str,
)
def test_borders_wider_than_the_map_strides_and_dilations_give_the_oracles_numbers(change, isa):
    check(case_of(replace(CONV, **change), DepthwiseTile(2, 4), isa, 2), TOLERANCE)
