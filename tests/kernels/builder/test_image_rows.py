"""Rows of an image as bytes: channels side by side, each row taken once, the zero around it."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32, INT8, UINT8
from rdpass.kernels.builder.emit import serial
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.image_rows import ImageRows, pieces
from rdpass.kernels.builder.quantizer import Quantizer
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import SSE
from tests.kernels.builder.running import ran

CONV = Convolution(2, 3, 8, 9, 21, (3, 2), (2, 3), (1, 1, 2, 0), (2, 1))
ZERO = 7


def seen(conv, image, source, byte, successive):
    """(N, H', KH, bytes of a line) of what each row of windows sees."""

    def write(zeros, scales, x, out):
        rows = ImageRows(conv, x, source, Quantizer(SSE, byte, scales[(0,)], zeros[(0,)]), successive)
        with serial(conv.batch) as n, serial(conv.out_height) as row:
            rows.enter(n, row, 0)
            for tap in range(conv.kernel[0]):
                line = rows.line(row, tap)
                with serial(out.shape[-1]) as place:
                    store(out, load(rows.rows, line + place, lanes=1), n, row, tap, place, lanes=1)

    width = ((conv.out_width - 1) * conv.stride[1] + conv.reach[1]) * conv.channels
    out = np.full((conv.batch, conv.out_height, conv.kernel[0], width), 99, byte.value)
    given = np.array([ZERO], np.int32), np.ones(1, np.float32), image.reshape(*image.shape[:2], -1), out
    return ran(write, *given, workspace=byte)[3]


def expected(conv, image):
    (top, left, bottom, right), (kh, _), (dh, _) = conv.padding, conv.kernel, conv.dilation
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=ZERO)
    width = (conv.out_width - 1) * conv.stride[1] + conv.reach[1]
    pixels = padded[..., :width].transpose(0, 2, 3, 1).reshape(conv.batch, padded.shape[2], -1)
    return np.stack([pixels[:, i * dh :: conv.stride[0]][:, : conv.out_height] for i in range(kh)], axis=2)


@pytest.mark.parametrize("successive", [True, False])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [21, 5])
def test_floats_are_quantised(channels, width, successive):
    conv = replace(CONV, channels=channels, width=width)
    image = np.random.default_rng(0).integers(-90, 90, (2, channels, 9, width)).astype(np.float32)
    assert np.array_equal(seen(conv, image, FLOAT32, INT8, successive), expected(conv, image + ZERO))


@pytest.mark.parametrize(("source", "byte"), [(UINT8, UINT8), (UINT8, INT8), (INT8, UINT8)])
def test_bytes_of_the_other_type_are_shifted(source, byte):
    low = {INT8: -128, UINT8: 0}
    image = np.random.default_rng(0).integers(0, 256, (2, 3, 9, 21))
    given = (image + low[source]).astype(source.value)
    assert np.array_equal(seen(CONV, given, source, byte, True), expected(CONV, image + low[byte]))


@pytest.mark.parametrize("run", range(1, 50))
def test_pieces_cover_a_run_and_less_than_a_vector_beyond(run):
    found = pieces(run)
    assert [begin for begin, _ in found] == [sum(length for _, length in found[:i]) for i in range(len(found))]
    assert run <= sum(length for _, length in found) < run + 4 * (run % 16 != 0) + (run % 16 == 0)
