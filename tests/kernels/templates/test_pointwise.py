"""1x1 windows: what is none is refused, blocks and splits are whole, strided rows are read as they lie."""

from dataclasses import replace

import pytest

from rdpass.kernels.choice import build_kernels, choose_default
from rdpass.kernels.templates.pointwise import POINTWISE, PointwiseTile
from rdpass.kernels.tile_space import pixel_block
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import ASIMD, AVX2
from tests.kernels.cases import case_of, machine_with
from tests.kernels.examples import ARM
from tests.kernels.numbers import constants_of
from tests.kernels.tester import check
from tests.kernels.tolerances import TOLERANCE

CONV = Convolution(1, 10, 26, 7, 6, (1, 1))


@pytest.mark.parametrize(
    "change", [{"kernel": (1, 2)}, {"padding": (0, 0, 1, 0)}, {"groups": 2}, {"subpixel": (1, 2)}], ids=str
)
def test_what_is_no_matrix_product_is_refused(change):
    assert "not a 1x1 window" in POINTWISE.refusal(replace(CONV, **change), ARM)
    assert POINTWISE.refusal(replace(CONV, stride=(2, 3)), ARM) is None


def test_a_block_is_a_row_of_the_output_where_pixels_are_left_out():
    assert pixel_block(replace(CONV, stride=(2, 2)), 56) == 3
    assert pixel_block(CONV, 8) == 8


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("stride", [(1, 1), (2, 2)], ids=str)
def test_every_tile_cuts_groups_into_whole_splits(stride, threads):
    work = replace(CONV, stride=stride, filters=100)
    for tile in POINTWISE.tiles(work, machine_with(ASIMD, threads)):
        assert -(-25 // tile.vectors) % tile.splits == 0


def test_a_map_of_one_pixel_is_split_among_threads_by_its_channels():
    squeezed = Convolution(1, 64, 256, 1, 1, (1, 1))
    assert choose_default(squeezed, machine_with(ASIMD, 4)).splits >= 4
    assert choose_default(squeezed, machine_with(ASIMD, 1)).splits == 1


def test_weights_and_table_are_padded_to_whole_groups():
    (kernel,) = build_kernels(CONV, constants_of(CONV), PointwiseTile(6, 2), ARM)
    assert [array.shape for array in kernel.constants] == [(4, 3, 4, 8), (1, 32)]


@pytest.mark.parametrize("isa", [ASIMD, AVX2], ids=lambda isa: isa.name)
@pytest.mark.parametrize(
    ("change", "tile"),
    [
        ({}, PointwiseTile(6, 1, 11)),
        ({"stride": (2, 3), "epilogue": Epilogue("silu", add=True)}, PointwiseTile(4, 2)),
        ({"stride": (3, 1), "batch": 2}, PointwiseTile(5, 2)),
        ({"channels": 1, "filters": 1, "height": 1, "width": 1}, PointwiseTile(8, 1)),
        ({"filters": 96, "epilogue": Epilogue("prelu", add=True, in_place=True)}, PointwiseTile(6, 2, 20, 3)),
    ],
    ids=str,
)
def test_strides_splits_and_single_pixels_give_the_oracles_numbers(change, tile, isa):
    check(case_of(replace(CONV, **change), tile, isa, 3), TOLERANCE)
