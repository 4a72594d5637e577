"""Rows of a planar image in a buffer, split by column phase: every tap's inputs side by side, zeros outside."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.column_phases import ColumnPhases
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran, unwritten

VECTOR = SSE.vector(FLOAT32)
CONVS = [
    Convolution(2, 3, 1, 9, 13, (3, 3), (2, 2), (1, 1, 1, 1)),
    Convolution(1, 1, 1, 8, 16, (7, 7), (2, 2), (3, 3, 3, 3)),
    Convolution(1, 2, 1, 5, 5, (3, 2), (1, 1), (0, 1, 1, 0)),
    Convolution(1, 4, 1, 11, 30, (3, 3), (4, 4), (0, 0, 0, 0)),
    Convolution(1, 2, 1, 9, 11, (2, 3), (1, 3), (1, 2, 0, 2), (3, 2)),
]


@pytest.mark.parametrize("conv", CONVS, ids=str)
def test_a_tap_finds_what_it_sees_side_by_side_in_every_row_of_every_image(conv):
    phases = ColumnPhases(conv, VECTOR)
    kh, kw = conv.kernel
    x = np.random.default_rng(0).standard_normal((conv.batch, conv.channels, conv.height * conv.width))

    def write(source, out):
        rows = phases.allocate()
        with serial(conv.batch) as n, serial(conv.out_height) as row:
            phases.fill(rows, source, n, row)
            with serial(conv.channels) as c, serial(kh) as line, serial(conv.out_width) as column:
                for tap in range(kw):
                    phase, shift = phases.place(tap)
                    value = load(rows, c, line, phase, column + shift, lanes=1)
                    store(out, value, n, row, c, line, tap, column, lanes=1)

    shape = (conv.batch, conv.out_height, conv.channels, kh, kw, conv.out_width)
    got = ran(write, x.astype(np.float32), unwritten(*shape))[1]
    top, left, bottom, right = conv.padding
    image = x.astype(np.float32).reshape(conv.batch, conv.channels, conv.height, conv.width)
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    for row in range(conv.out_height):
        for line in range(kh):
            for tap in range(kw):
                begin, end = tap * conv.dilation[1], tap * conv.dilation[1] + (conv.out_width - 1) * conv.stride[1] + 1
                seen = padded[:, :, row * conv.stride[0] + line * conv.dilation[0], begin : end : conv.stride[1]]
                assert np.array_equal(got[:, row, :, line, tap], seen)


@pytest.mark.parametrize("conv", CONVS, ids=str)
def test_a_phase_is_whole_vectors_and_wide_enough_for_the_last_tiles_last_vector(conv):
    phases = ColumnPhases(conv, VECTOR)
    assert phases.count == conv.stride[1]
    assert phases.width % 4 == 0
    last = max(phases.place(tap)[1] for tap in range(conv.kernel[1])) + conv.out_width - 1
    assert phases.width > last
    assert all(phases.place(tap)[0] < phases.count for tap in range(conv.kernel[1]))
