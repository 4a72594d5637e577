"""3x3 of stride 1: what is refused, where it beats direct, the numbers of a tile, and what they come to."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.templates.direct import DIRECT
from rdpass.kernels.templates.winograd import WINOGRAD, WinogradTile
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of
from tests.kernels.examples import ARM
from tests.kernels.networks import conv
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import tolerance_of

CONV = Convolution(1, 10, 13, 9, 11, (3, 3), (1, 1), (1, 1, 1, 1))


@pytest.mark.parametrize(
    "change",
    [{"kernel": (3, 5)}, {"stride": (1, 2)}, {"dilation": (2, 1)}, {"channels": 12, "filters": 12, "groups": 2},
     {"subpixel": (2, 2)}],
    ids=str,
)  # fmt: skip
def test_other_windows_are_refused(change):
    assert "not a 3x3 window of stride 1" in WINOGRAD.refusal(replace(CONV, **change), ARM)
    assert WINOGRAD.refusal(replace(CONV, padding=(0, 2, 1, 0)), ARM) is None


def test_it_is_chosen_where_channels_are_many_and_direct_where_they_are_few():
    assert isinstance(choose_default(conv(128, 128, 28, 3), ARM), WinogradTile)
    few = conv(4, 4, 56, 3)
    assert WINOGRAD.cost(few, WINOGRAD.default(few, ARM), ARM) > DIRECT.cost(few, DIRECT.default(few, ARM), ARM)


@pytest.mark.parametrize(
    ("tile", "size", "edges", "label"),
    [
        (WinogradTile(2), (2, 2), (4, 4), "winograd2"),
        (WinogradTile(4), (4, 4), (6, 6), "winograd4"),
        (WinogradTile(4, wide=2), (4, 2), (6, 4), "winograd4x2"),
    ],
)
def test_a_tile_has_as_many_numbers_as_it_sees_inputs(tile, size, edges, label):
    assert (tile.size, tile.edges, WINOGRAD.label(tile)) == (size, edges, label)
    (kernel,) = build_kernels(CONV, constants_of(CONV), tile, ARM)
    weights, table = kernel.constants
    assert weights.shape == (2, edges[0] * edges[1], 3, 4, 8)
    assert table.shape == (1, 16)


def test_every_tile_lets_whole_groups_wait():
    for tile in WINOGRAD.tiles(replace(CONV, filters=100), ARM):
        assert -(-25 // tile.vectors) % tile.waiting == 0


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize("sizes", [(2, 0), (4, 0), (4, 2)], ids=str)
@pytest.mark.parametrize(
    "change",
    [
        {"padding": (0, 2, 1, 0)},
        {"height": 1, "width": 1},
        {"batch": 2, "epilogue": Epilogue("channel_clip", add=True, in_place=True)},
        {"height": 3, "width": 17, "epilogue": Epilogue("silu", add=True, late=True)},
    ],
    ids=str,
)
def test_maps_that_no_tile_fills_give_the_oracles_numbers(change, sizes, isa):
    outputs, wide = sizes
    tile = WinogradTile(outputs, 3, 2, 2, 1, wide)
    check(case_of(replace(CONV, **change), tile, isa, 2), tolerance_of(tile))
