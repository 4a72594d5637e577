"""The reference of integer convolutions is torch's convolution of whole numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rdpass.kernels.integer_reference import convolution, exact_sums
from rdpass.kernels.quantization import Bounds, Requantization
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import ASIMD
from tests.kernels.integers import bytes_of
from tests.kernels.numbers import constants_of, inputs_of, written

CONV = Convolution(2, 12, 18, 9, 11, (3, 3), (1, 2), (1, 1, 1, 1), types=bytes_of(ASIMD))


@pytest.mark.parametrize("change", [{}, {"groups": 6}, {"dilation": (2, 1)}, {"stride": (2, 2)}], ids=str)
def test_sums_are_those_of_torch(change):
    work = replace(CONV, **change)
    weights, _, _ = constants_of(work)
    (x,) = inputs_of(work, written(work))
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(x).double(), torch.from_numpy(weights).double(), None, work.stride, (1, 1), work.dilation,
        work.groups,
    )  # fmt: skip
    assert np.array_equal(exact_sums(work, x.astype(np.int64), weights), expected.numpy())


def test_padding_holds_the_zero_of_the_input():
    by = Requantization(-5, np.ones(18, np.float32), Bounds(0, -128, 127))
    x = np.full((2, 12, 9, 11), -5, np.int8)
    weights, bias, _ = constants_of(CONV)
    found = convolution(CONV, (weights, bias % 100, by), [x])
    assert (found == (bias % 100).reshape(1, -1, 1, 1)).all()
