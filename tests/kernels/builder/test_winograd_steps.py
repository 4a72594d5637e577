"""Winograd's three steps one behind the other, on their own: sums of stride 1 for tiles of any size."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import bind, serial
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.packing import pack_numbers, pack_table
from rdpass.kernels.builder.toom_cook import transform_weights
from rdpass.kernels.builder.winograd_steps import OutputTile, Tiling, multiply, transform_back, transform_row
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran, unwritten
from tests.kernels.layout import from_blocked, to_blocked
from tests.kernels.numbers import constants_of, numbers

LANES = SSE.lanes(FLOAT32)
SQUARE = Convolution(2, 6, 9, 7, 10, (3, 3), padding=(1, 1, 1, 1), epilogue=Epilogue("relu"))
FLAT = Convolution(1, 8, 5, 6, 9, (1, 3), padding=(0, 1, 0, 0))
FORMS = {
    "2x2": Tiling(SQUARE, SSE, (2, 2), 2, 3, 2, 1),
    "4x4": Tiling(SQUARE, SSE, (4, 4), 1, 2, 1, 3),
    "4x2": Tiling(SQUARE, SSE, (4, 2), 2, 4, 2, 2),
    "one tap down": Tiling(FLAT, SSE, (1, 4), 6, 5, 2, 1),
    "3x3": Tiling(Convolution(1, 4, 4, 8, 7, (2, 2)), SSE, (4, 4), 2, 1, 1, 1),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_steps_come_to_the_sums_of_the_convolution(form):
    tiling = FORMS[form]
    conv = tiling.conv
    weights, rows = constants_of(conv)
    u = pack_numbers(transform_weights(weights, tiling.size), LANES, tiling.vectors * LANES, FLOAT32)
    table = pack_table(rows, tiling.groups * tiling.vectors * LANES, FLOAT32)
    image = numbers(7, conv.batch, conv.channels, conv.height, conv.width)
    high = tiling.rows * tiling.size[0]

    def write(x, packed, packed_rows, y):
        writer = EpilogueWriter(conv.epilogue, SSE, FLOAT32, packed_rows)
        v, m = tiling.allocate_inputs(), tiling.allocate_products()
        with serial(conv.batch) as n, serial(-(-conv.out_height // high)) as block:
            top = bind(block * high)
            with serial(tiling.own) as channel, serial(tiling.rows) as row:
                transform_row(tiling, x, v, n, channel, top, row)
            with serial(tiling.groups // tiling.waiting) as turns:
                multiply(tiling, packed, v, m, turns)
                transform_back(tiling, writer, m, y, n, turns, top)

    out = unwritten(conv.batch, tiling.outer, conv.out_height * conv.out_width, LANES)
    got = ran(write, to_blocked(image, LANES, 3.0), u, table, out)[3]
    wanted = reference.convolution(conv, (weights, rows), [image])
    assert np.allclose(from_blocked(got, *wanted.shape[1:]), wanted, atol=3e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_block_has_room_for_all_its_tiles(form):
    tiling = FORMS[form]
    assert tiling.across * tiling.size[1] >= tiling.conv.out_width > (tiling.across - 1) * tiling.size[1]
    assert tiling.held == tiling.rows * tiling.across
    assert tiling.columns * tiling.pixels >= tiling.held
    assert tiling.edges == tuple(m + r - 1 for m, r in zip(tiling.size, tiling.conv.kernel, strict=True))
    assert tiling.numbers == tiling.edges[0] * tiling.edges[1]


@pytest.mark.parametrize(("outputs", "wide", "size", "word"), [(4, 0, (4, 4), "4"), (4, 2, (4, 2), "4x2")])
def test_a_tile_is_square_unless_it_says_how_wide_it_is(outputs, wide, size, word):
    tile = OutputTile()
    tile.outputs, tile.wide = outputs, wide
    assert (tile.size, tile.outputs_label) == (size, word)
