"""From sums to bytes: half to even, held between bounds, a map added as if the value had been stored."""

import numpy as np
import pytest

from rdpass.core.numeric_types import INT8, UINT8
from rdpass.kernels.quantization import (
    OTHER,
    OTHER_ZERO,
    OWN,
    SHORT,
    Addition,
    Bounds,
    Requantization,
    Short,
    add,
    dequantize,
    limits,
    mean_factors,
    quantize,
    requantize,
    scale,
    table_of,
    what_is_short,
)


def test_halves_go_to_the_even_neighbour():
    by = Requantization(0, np.array([0.5], np.float32), Bounds(0, -128, 127))
    sums = np.array([-5, -3, -1, 1, 3, 5]).reshape(1, 1, 6)
    assert [*requantize(sums, by).ravel()] == [-2, -2, 0, 0, 2, 2]


def test_the_zero_is_added_before_bounds_hold():
    by = Requantization(0, np.array([1.0, 2.0], np.float32), Bounds(10, 5, 100))
    sums = np.array([[-50, 3, 500], [-1, 1, 2]]).reshape(1, 2, 3)
    assert requantize(sums, by).tolist() == [[[5, 13, 100], [8, 12, 14]]]


def test_an_output_of_floats_is_sum_times_factor():
    by = Requantization(0, np.array([0.25], np.float32), None)
    assert [*requantize(np.array([[[1, 2, 3]]]), by).ravel()] == [0.25, 0.5, 0.75]


def test_what_is_added_is_rounded_once_more():
    by = Addition(0.5, 0.25, 3, Bounds(-1, -128, 127))
    values, other = np.array([1, 2, 3]), np.array([5, 3, 3], np.int8)
    assert [*add(values, other, by)] == [0, 0, 1]  # rint of 1.0, 1.0, 1.5, less one


def test_scalars_have_floats_by_their_bits():
    bounds = Bounds(1, -2, 3)
    scalars = Requantization(4, np.ones(1, np.float32), bounds, Addition(0.5, 0.25, 6, Bounds(7, 8, 9))).scalars
    assert [*scalars[:8]] == [4, 1, -2, 3, 6, 7, 8, 9]
    assert [*scalars[[OWN, OTHER]].view(np.float32)] == [0.5, 0.25]


def test_a_mean_has_one_factor_rounded_once():
    by = Requantization(0, np.array([0.7]), Bounds(0, -128, 127))
    factors = mean_factors(by, np.arange(1, 10))
    assert factors.dtype == np.float32
    assert [*factors] == [np.float32(0.7 / count) for count in range(1, 10)]


def test_whole_numbers_are_scaled_by_factors_of_their_own():
    by = Requantization(0, np.ones(1), Bounds(1, -128, 127))
    assert [*scale(np.array([3, 5, 1000]), np.array([0.5, 0.5, 1.0]), by)] == [3, 3, 127]


def test_a_table_is_in_the_order_of_bits():
    signed, unsigned = (table_of(numeric, lambda q: q) for numeric in (INT8, UINT8))
    assert [*signed[[0, 127, 128, 255]]] == [0, 127, -128, -1]
    assert [*unsigned[[0, 127, 128, 255]]] == [0, 127, 128, 255]
    assert (signed.dtype, unsigned.dtype) == (np.int8, np.uint8)


@pytest.mark.parametrize(
    ("weight", "bias", "factor", "expected"),
    [
        (127, 0, 1e-3, Short.SUMS),
        (127, 2**22, 1e-3, Short.VALUES),
        (127, -(2**21), 1e-3, Short.SUMS),
        (127, 0, 1.0, Short.NOTHING),
        (1, 0, 1.0, Short.SUMS),
        (127, 2**26, 1e-3, Short.NOTHING),
    ],
)
def test_sums_and_what_becomes_of_them_are_short_where_no_input_makes_them_large(weight, bias, factor, expected):
    weights, biases = np.full((2, 1, 3, 3), weight, np.int8), np.array([0, bias], np.int32)
    by = Requantization(-20, np.array([1e-3, factor], np.float32), Bounds(0, -128, 127))
    assert what_is_short(weights, biases, by, INT8) is expected


def test_short_sums_read_as_floats_are_themselves_and_a_constant():
    sums = np.array([0, 1, -1, 2**22 - 1, 1 - 2**22], np.int32)
    assert [*((sums + np.int32(SHORT)).view(np.float32) - np.float32(1.5 * 2**23))] == [*sums]


def test_a_second_zero_stands_where_that_of_an_added_map_does():
    assert Requantization(0, np.ones(1), None, other_zero=-7).scalars[OTHER_ZERO] == -7


@pytest.mark.parametrize(("numeric", "expected"), [(INT8, (-128, 127)), (UINT8, (0, 255))])
def test_bounds_cut_where_they_leave_less_than_the_type(numeric, expected):
    assert limits(numeric) == expected
    assert not Bounds(0, *expected).cuts(numeric)
    assert Bounds(0, expected[0], expected[1] - 1).cuts(numeric)


def test_numbers_are_quantised_as_onnx_has_it():
    x = np.array([0.25, 0.75, -1.25, 1000.0, -np.inf, np.inf, np.nan], np.float32)
    assert [*quantize(x, 0.5, 10, UINT8)] == [10, 12, 8, 255, 0, 255, 10]
    assert [*quantize(x, 0.5, -3, INT8)] == [-3, -1, -5, 127, -128, 127, -3]


def test_the_scale_divides_in_float32():
    """3.75 of these is not a tie as a product with the inverse has it."""
    step = np.float32(0.1)
    x = np.float32(0.25)
    assert quantize(x[None], step, 0, INT8)[0] == np.rint(x / step)


def test_bytes_become_what_they_stand_for():
    assert [*dequantize(np.array([0, 10, 255], np.uint8), 0.5, 10)] == [-5.0, 0.0, 122.5]
