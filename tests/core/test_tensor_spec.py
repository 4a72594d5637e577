"""Inputs and outputs of a network: how large they are."""

from dataclasses import replace

import numpy as np
import pytest

from rdpass.core.tensor_spec import TensorSpec


@pytest.mark.parametrize(
    ("dtype", "size"), [("float32", 24), ("float16", 12), ("int8", 6), ("bool", 6), ("int64", 48), ("float64", 48)]
)
def test_what_a_network_takes_and_gives_is_as_large_as_numpys(dtype, size):
    spec = TensorSpec("x", (1, 2, 3), dtype)
    assert spec.bytes == size == np.zeros(spec.shape, dtype).nbytes
    assert replace(spec, shape=()).bytes == np.dtype(dtype).itemsize
