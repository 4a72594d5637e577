import numpy as np
import pytest

from rdpass.onnx.quantised_values import Quantised, Sums, along, bias_integers, growth, quantise, requantise, saturate

F = np.float32


def sums(*totals, bounds=()):
    return Sums(np.array(totals, np.float64), F(0.5), F(0.5), 0, bounds)


@pytest.mark.parametrize(
    ("total", "wanted"),
    [(2, 10), (6, 12), (10, 12), (-2, 10), (-6, 8), (3, 11), (-3, 9), (5, 11), (4000, 255), (-4000, 0)],
)
def test_halves_go_to_the_even_step_and_what_is_out_of_range_saturates(total, wanted):
    # A quarter of a sum is a step: 2 is half a step, 6 one and a half.
    assert requantise(sums(total), F(1), np.uint8(10)).item() == wanted


def test_the_factor_is_a_float32_product_divided():
    x, w, y = F(0.1), F(0.3), F(0.7)
    total = np.arange(-2000, 2000.0)
    wanted = np.rint(total.astype(F) * F(F(x * w) / y))
    assert (requantise(Sums(total, x, w, 0), y, np.int16(0)) == wanted).all()


def test_a_sum_is_rounded_to_float32_first():
    big = 2.0**24 + 1  # no float32
    assert requantise(Sums(np.array(big), F(1), F(1), 0), F(2**17), np.uint8(0)) == 128
    assert requantise(Sums(np.array(2.0**24 + 3), F(1), F(1), 0), F(8), np.int32(0)) == (2**24 + 4) // 8


def test_bounds_are_rounded_by_themselves():
    relu, six = (F(0), None), (F(0.3), F(6.6))
    assert requantise(sums(-400, -4, 0, 4, bounds=(relu,)), F(1), np.uint8(100)).tolist() == [100, 100, 100, 101]
    assert requantise(sums(-400, 4, 24, 28, 400, bounds=(six,)), F(1), np.int8(0)).tolist() == [0, 1, 6, 7, 7]
    assert sums(-400, 4, bounds=(relu,)).real.tolist() == [0, 1]


def test_numbers_are_quantised_in_float32():
    scale = F(0.1)
    x = np.array([0.05, 0.15, 0.25, -0.05, 30, -30])
    wanted = np.clip(np.rint(x.astype(F) / scale) + 3, 0, 255)
    assert quantise(x, scale, np.uint8(3), 1).tolist() == wanted.tolist()
    assert quantise(np.array([0.5, 1.5, 2.5, -0.5]), F(1), np.int8(0), 0).tolist() == [0, 2, 2, 0]


def test_channels_have_their_own_scale_and_zero():
    value = Quantised(np.array([[1, 2], [3, 4]], np.uint8), np.array([1, 10], F), np.array([0, 1], np.uint8), axis=1)
    assert value.centred.tolist() == [[1, 1], [3, 3]]
    assert value.real.tolist() == [[1, 10], [3, 30]]
    assert along(np.array([1, 2]), -1, 3).shape == (1, 1, 2)


def test_what_is_read_is_a_float32():
    value = Quantised(np.array([3], np.int8), F(0.1), np.int8(0))
    assert value.real.item() == float(F(3) * F(0.1))


@pytest.mark.parametrize(("largest", "times"), [(127, 1), (64, 1), (63, 2), (7, 16), (1, 64), (0, 64)])
def test_weights_of_a_few_bits_are_doubled_as_long_as_they_are_bytes(largest, times):
    weights = Quantised(np.array([[largest, 0], [-largest, 0]], np.int8), F(0.1), np.int8(0))
    assert growth(weights) == times


def test_a_bias_of_the_scale_of_the_sums_is_taken_as_it_is():
    scales = F(0.1), np.array([0.3, 0.7], F)
    exact = Quantised(np.array([5, -7], np.int32), scales[0] * scales[1] * F(1.000001), np.int32(0), 0)
    assert bias_integers(exact, *scales).tolist() == [5, -7]
    other = Quantised(np.array([5, -7], np.int32), np.array([0.06, 0.07], F), np.int32(0), 0)
    assert bias_integers(other, *scales).tolist() == [10, -7]
    assert bias_integers(np.array([0.046, 1e30]), *scales).tolist() == [2, 2**31 - 1]


def test_saturation_knows_the_type():
    assert saturate(np.array([-1.0, 256]), np.dtype(np.uint8)).tolist() == [0, 255]
    assert saturate(np.array([-1e9, 1e9]), np.dtype(np.int16)).tolist() == [-(2**15), 2**15 - 1]
