"""The logistic function of a vector, against double precision."""

import numpy as np
import pytest

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.sigmoid import sigmoid
from rdpass.targets.isa import AVX2, SSE
from tests.kernels.builder.running import mapped


@pytest.mark.parametrize("isa", [SSE, AVX2], ids=lambda isa: isa.name)
def test_it_is_within_2e_7_wherever_a_float_is_finite(isa):
    vector = isa.vector(FLOAT32)
    large = np.array([3e38, 1e10, 1000, 104, 89, 88.5, 87.0], np.float32)
    x = np.concatenate([np.linspace(-100, 100, 4003, dtype=np.float32), large, -large, np.zeros(1, np.float32)])
    x = x[: len(x) // vector.lanes * vector.lanes]
    got = mapped(lambda value: sigmoid(value, vector), x, vector.lanes)
    with np.errstate(over="ignore"):
        wanted = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(got - wanted).max() <= 2e-7
    assert ((got >= 0) & (got <= 1)).all()


def test_small_results_are_right_in_their_own_size_and_zero_gives_a_half():
    vector = SSE.vector(FLOAT32)
    x = np.linspace(-80, 0, 400, dtype=np.float32)
    got = mapped(lambda value: sigmoid(value, vector), x, 4)
    wanted = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert np.abs(got / wanted - 1).max() <= 1e-6
    assert got[-1] == 0.5
    assert (np.diff(got) >= 0).all()
