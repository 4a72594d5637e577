"""The numbers that integer kernels read besides maps and weights."""

import numpy as np
import pytest

from rdpass.core.numeric_types import INT8
from rdpass.kernels.builder.integer_tile import pack_numbers, short_of
from rdpass.kernels.quantization import Bounds, Requantization, Short
from rdpass.targets.isa import isa_of
from rdpass.targets.lookup import find_target


def test_the_zero_of_the_input_is_in_the_bias():
    weights = np.arange(-6, 6, dtype=np.int8).reshape(2, 3, 1, 2)
    by = Requantization(-7, np.array([0.5, 0.25], np.float32), Bounds(3, -128, 127))
    bias, factors, scalars = pack_numbers(weights, np.array([10, 20], np.int32), by, 1, 16)
    assert [*bias] == [10 - 7 * 21, 20 + 7 * 15, *[0] * 14]
    assert [*factors[:2]] == [0.5, 0.25]
    assert scalars.dtype == np.int32
    assert scalars[0] == -7


def test_each_group_is_padded_by_itself():
    by = Requantization(0, np.ones(6, np.float32), None)
    bias, _, _ = pack_numbers(np.zeros((6, 1, 1, 1), np.int8), np.arange(6, dtype=np.int32), by, 2, 16)
    assert [*bias[:4]] == [0, 1, 2, 0]
    assert [*bias[16:20]] == [3, 4, 5, 0]


def test_sums_that_are_short_start_from_a_float():
    by = Requantization(0, np.ones(2, np.float32), None)
    weights = np.zeros((2, 1, 1, 1), np.int8)
    bias, _, _ = pack_numbers(weights, np.array([7, -7], np.int32), by, 1, 16, short=Short.SUMS)
    assert [*(bias.view(np.float32) - np.float32(1.5 * 2**23))] == [7, -7, *[0] * 14]


@pytest.mark.parametrize(("name", "expected"), [("rpi4", ""), ("rpi5", "_short"), ("graviton3", "_short")])
def test_cores_with_dot_products_make_use_of_short_sums(name, expected):
    constants = np.ones((2, 1, 1, 1), np.int8), np.zeros(2, np.int32), Requantization(0, np.ones(2, np.float32), None)
    assert short_of(isa_of(find_target(name)), constants, INT8) == expected
