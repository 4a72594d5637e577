"""F(4, 3) in whole numbers: it is a convolution, and fits the types it is computed in."""

import numpy as np
import pytest

from rdpass.core.numeric_types import INT8, INT16, INT32, UINT8
from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.integer_toom_cook import (
    FILTER,
    INPUT,
    INVERSE,
    OUTPUT,
    exact_channels,
    transform_input,
    transform_output,
    transform_weights,
)
from rdpass.kernels.builder.modular import Modular
from rdpass.targets.isa import Vector
from tests.kernels.builder.running import ran


def test_products_of_transforms_are_576_times_the_sums_of_products():
    random = np.random.default_rng(0)
    weights, tile = random.integers(-128, 128, (1, 1, 3, 3)), random.integers(-128, 128, (6, 6))
    products = transform_weights(weights.astype(np.int8)).reshape(6, 6).astype(np.int64) * (INPUT @ tile @ INPUT.T)
    sums = [[(tile[i : i + 3, j : j + 3] * weights[0, 0]).sum() for j in range(4)] for i in range(4)]
    assert np.array_equal(OUTPUT @ products @ OUTPUT.T, 576 * np.array(sums))


def test_nine_has_an_inverse():
    assert 9 * INVERSE % 2**32 == 1


def test_transforms_of_any_bytes_are_numbers_of_int16():
    assert np.abs(INPUT).sum(axis=1).max() ** 2 * 255 < 2**15
    assert np.abs(FILTER).sum(axis=1).max() ** 2 * 128 < 2**15


@pytest.mark.parametrize(("byte", "largest"), [(INT8, 128), (UINT8, 255)])
def test_no_sum_of_so_many_channels_leaves_25_bits(byte, largest):
    assert exact_channels(byte) * 9 * largest * 128 <= 2**25 < (exact_channels(byte) + 1) * 9 * largest * 128


def test_what_is_written_is_what_the_matrices_say():
    random = np.random.default_rng(0)
    d, q = random.integers(-2550, 2551, (6, 8)).astype(np.int16), random.integers(-(2**31), 2**31, (6, 8))

    def write(source, products, inputs, outputs):
        vector = Vector(INT16, 8)
        for index, value in enumerate(transform_input([bind(load(source, i, 0, lanes=8)) for i in range(6)], vector)):
            store(inputs, value, index, 0, lanes=8)
        for index, value in enumerate(transform_output([Modular(load(products, i, 0, lanes=8), 8) for i in range(6)])):
            store(outputs, value.value, index, 0, lanes=8)

    out = np.zeros((6, 8), np.int16), np.zeros((4, 8), np.int32)
    _, _, inputs, outputs = ran(write, d, q.astype(np.int32), *out, workspace=INT32)
    assert np.array_equal(inputs, INPUT @ d.astype(np.int64))
    assert np.array_equal(outputs, (OUTPUT @ q).astype(np.int32))
