"""Rows of blocked maps with the border's zeros around them, and rows that lie in a larger map."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.row_buffer import Grid, RowBuffer
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran, unwritten

VECTOR = SSE.vector(FLOAT32)


def filled(buffer, x, turns):
    """The buffer for every image and every so many rows of output: (N, turns, blocks, height, width, L)."""
    shape = buffer.channel_blocks, buffer.height, buffer.width, 4

    def write(source, out):
        rows = buffer.allocate()
        with serial(x.shape[0]) as n, serial(turns) as turn:
            buffer.fill(rows, source, n, x.shape[1] - buffer.channel_blocks, turn * buffer.rows)
            with serial(shape[0]) as block, serial(shape[1]) as line, serial(shape[2]) as column:
                value = load(rows, block, line, column, 0, lanes=4)
                store(out, value, n, turn, block, line, column, 0, lanes=4)

    return ran(write, x, unwritten(x.shape[0], turns, *shape))[1]


def padded(x, conv, grid_of=None):
    """The map with its zeros, and plenty below and on the right."""
    whole = x.reshape(*x.shape[:2], *(grid_of or (conv.height, conv.width)), 4)
    return whole, lambda part: np.pad(part, ((0, 0), (0, 0), (conv.padding[0], 20), (conv.padding[1], 20), (0, 0)))


@pytest.mark.parametrize(
    ("conv", "rows", "columns"),
    [
        (Convolution(2, 8, 8, 7, 5, (3, 3), padding=(1, 1, 1, 1)), 2, 0),
        (Convolution(1, 8, 8, 9, 6, (3, 2), (2, 2), (0, 1, 0, 1)), 1, 0),
        (Convolution(1, 8, 8, 9, 6, (3, 3), padding=(0, 0, 0, 0), dilation=(2, 1)), 2, 0),
        (Convolution(1, 8, 8, 6, 5, (3, 3), padding=(1, 1, 1, 1)), 4, 8),
        (Convolution(3, 8, 8, 4, 4, (1, 1)), 4, 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("channel_blocks", [1, 2])
def test_rows_are_those_of_a_padded_map_with_zeros_where_it_ends(conv, rows, columns, channel_blocks):
    x = np.random.default_rng(0).standard_normal((conv.batch, 2, conv.height * conv.width, 4)).astype(np.float32)
    buffer = RowBuffer(conv, rows, channel_blocks, VECTOR, columns)
    turns = -(-conv.out_height // rows)
    got = filled(buffer, x, turns)
    whole, pad = padded(x, conv)
    wanted = pad(whole)[:, 2 - channel_blocks :]
    assert buffer.height == (rows - 1) * conv.stride[0] + conv.reach[0]
    for turn in range(turns):
        top = turn * rows * conv.stride[0]
        assert np.array_equal(got[:, turn], wanted[:, :, top : top + buffer.height, : buffer.width])


@pytest.mark.parametrize("first", [(0, 0), (1, 0), (1, 1)])
def test_a_map_that_lies_in_a_larger_one_is_copied_from_there(first):
    (top, left), step = first, (2, 2)
    x = np.random.default_rng(0).standard_normal((1, 1, 9 * 7, 4)).astype(np.float32)
    conv = Convolution(1, 4, 4, (9 - top + 1) // 2, (7 - left + 1) // 2, (2, 2), padding=(1, 0, 0, 1))
    buffer = RowBuffer(conv, 2, 1, VECTOR, grid=Grid(step, first, 7))
    got = filled(buffer, x, 2)
    whole, pad = padded(x, conv, (9, 7))
    wanted = pad(whole[:, :, top::2, left::2])
    for turn in range(2):
        assert np.array_equal(got[:, turn], wanted[:, :, 2 * turn : 2 * turn + buffer.height, : buffer.width])


def test_a_grid_tells_the_pixel_of_every_row_and_column():
    grid = Grid((2, 3), (1, 2), 10)
    assert [grid.place(row, column) for row in range(2) for column in range(2)] == [12, 15, 32, 35]
