"""Sums and products of int32 that wrap."""

import numpy as np

from rdpass.core.numeric_types import INT32
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.modular import Modular
from tests.kernels.builder.running import ran


def test_what_goes_over_comes_back_from_below():
    a, b = (np.random.default_rng(seed).integers(-(2**31), 2**31, 8).astype(np.int32) for seed in (0, 1))

    def write(first, second, out):
        x, y = (Modular(load(source, 0, lanes=8), 8) for source in (first, second))
        for index, value in enumerate((x + y, x - y, x.times(0x38E38E39))):
            store(out, value.value, index, 0, lanes=8)

    got = ran(write, a, b, np.zeros((3, 8), np.int32), workspace=INT32)[2]
    wide = a.astype(np.int64), b.astype(np.int64)
    expected = wide[0] + wide[1], wide[0] - wide[1], wide[0] * 0x38E38E39
    assert np.array_equal(got, np.stack(expected).astype(np.int32))
