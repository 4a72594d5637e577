"""References of integers, held against torch on whole numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rdpass.kernels.integer_reference import convolution, elementwise, exact_sums, head, pooling
from rdpass.kernels.quantization import Bounds, Requantization
from rdpass.kernels.workload import Convolution, Elementwise, Head, Pooling
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


POOL = Pooling(2, 12, 9, 11, "max", (3, 3), (2, 1), (1, 1, 1, 1), types=bytes_of(ASIMD))


def test_the_largest_of_a_window_is_torchs():
    (x,) = inputs_of(POOL, written(POOL))
    expected = torch.nn.functional.max_pool2d(torch.from_numpy(x).double(), 3, POOL.stride, 1)
    assert np.array_equal(pooling(POOL, (), [x]), expected.numpy())


@pytest.mark.parametrize("divisor", [0, 9])
def test_a_mean_of_a_window_is_torchs_up_to_rounding(divisor):
    work = replace(POOL, kind="average", divisor=divisor)
    (x,) = inputs_of(work, written(work))
    by = Requantization(-5, np.array([0.5]), Bounds(3, -128, 127))
    mean = torch.nn.functional.avg_pool2d(
        torch.from_numpy(x).double() + 5, 3, POOL.stride, 1, count_include_pad=divisor == 9
    ).numpy()
    found = pooling(work, (by,), [x])
    assert np.abs(found - np.clip(mean * 0.5 + 3, -128, 127)).max() <= 0.5 + 1e-4


def test_a_mean_over_all_pixels_is_numpys_up_to_rounding():
    work = Head(2, 12, 21, 0, types=bytes_of(ASIMD))
    (x,) = inputs_of(work, written(work))
    by = Requantization(-5, np.array([2.0]), Bounds(3, -128, 127))
    mean = (x.astype(np.float64) + 5).mean(axis=(2, 3), keepdims=True)
    assert np.abs(head(work, (None, by), [x]) - np.clip(2 * mean + 3, -128, 127)).max() <= 0.5 + 1e-4


def test_a_layer_reads_pixels_in_the_order_of_a_flattened_map():
    work = Head(2, 12, 5, 7, averages=False, types=bytes_of(ASIMD))
    ((weights, bias, by),) = constants_of(work)
    (x,) = inputs_of(work, written(work))
    sums = (x.reshape(2, -1).astype(np.int64) - by.input_zero) @ weights.astype(np.int64).T + bias
    scaled = sums.astype(np.float32) * by.factors
    assert np.array_equal(head(work, ((weights, bias, by),), [x]), by.bounds.hold(np.rint(scaled).astype(np.int64)))


def test_a_product_with_a_gate_is_that_with_a_map_of_its_number():
    gated = Elementwise(2, 12, 21, scale="gate", types=bytes_of(ASIMD))
    x, gate = inputs_of(gated, written(gated))
    by = constants_of(gated)
    same = elementwise(replace(gated, scale="map"), by, [x, np.broadcast_to(gate, x.shape)])
    assert np.array_equal(elementwise(gated, by, [x, gate]), same)
    assert elementwise(gated, by, [np.full_like(x, by[0].input_zero), gate]).min() == by[0].bounds.zero
