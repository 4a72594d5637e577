"""Sixteen vectors of bytes, turned round."""

import numpy as np

from rdpass.core.numeric_types import INT8
from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import load, store
from rdpass.kernels.builder.transposition import transposed
from tests.kernels.builder.running import ran


def test_rows_become_columns():
    given = np.arange(-128, 128).astype(np.int8).reshape(16, 16)

    def write(source, out):
        rows = [bind(load(source, index, 0, lanes=16)) for index in range(16)]
        for index, row in enumerate(transposed(rows)):
            store(out, row, index, 0, lanes=16)

    assert np.array_equal(ran(write, given, np.zeros((16, 16), np.int8), workspace=INT8)[1], given.T)
