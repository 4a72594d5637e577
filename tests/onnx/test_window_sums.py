import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.window_sums import convolve, convolve_transposed, max_pool, sums_and_counts
from tests.onnx.nets import Net


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


@given(
    st.sampled_from([1, 2, 4]), st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2),
    st.integers(0, 2),
)  # fmt: skip
def test_a_convolution_is_torchs(groups, kernel, wide, stride, dilation, pad):
    x, w = numbers(2, 4, 9, 10), numbers(8, 4 // groups, kernel, wide)
    attributes = {"group": groups, "strides": [stride, 1], "dilations": [1, dilation], "pads": [pad, 1, pad, 1]}
    wanted = F.conv2d(torch.tensor(x), torch.tensor(w), None, (stride, 1), (pad, 1), (1, dilation), groups).numpy()
    np.testing.assert_allclose(convolve(x, w, attributes), wanted, atol=1e-12)


@given(st.sampled_from([1, 2]), st.integers(1, 4), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
def test_a_transposed_convolution_is_torchs(groups, kernel, stride, dilation, pad):
    x, w = numbers(2, 4, 5, 6), numbers(4, 3, kernel, 2)
    extra = min(1, stride - 1)
    attributes = {"group": groups, "strides": [stride] * 2, "dilations": [dilation] * 2,
                  "pads": [0, pad, 0, pad], "output_padding": [extra, 0]}  # fmt: skip
    wanted = F.conv_transpose2d(torch.tensor(x), torch.tensor(w), None, stride, (0, pad), (extra, 0), groups, dilation)
    np.testing.assert_allclose(convolve_transposed(x, w, attributes), wanted.numpy(), atol=1e-12)


@pytest.mark.parametrize("size", [5, 6, 7, 12])
@pytest.mark.parametrize("rule", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("transposed", [False, True])
def test_padding_by_a_rule_is_onnxruntimes(size, rule, transposed):
    net = Net((1, 4, size, 8))
    operator, shape = ("ConvTranspose", (4, 2, 3, 2)) if transposed else ("Conv", (2, 4, 3, 2))
    weights = net.random.standard_normal(shape).astype(np.float32)
    attributes = {"auto_pad": rule, "strides": [2, 1], "kernel_shape": [3, 2]}
    (wanted,) = run_onnx(net.model(net.node(operator, "x0", net.constant(weights), **attributes)), x := net.example())
    got = (convolve_transposed if transposed else convolve)(x[0], weights, attributes)
    np.testing.assert_allclose(got, wanted, atol=1e-5)


@given(st.integers(4, 9), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans(), st.integers(0, 1))
def test_pools_are_onnxruntimes(size, kernel, stride, ceil, counted, pad):
    net = Net((2, 3, size, 7))
    pad = min(pad, kernel - 1)
    attributes = {"kernel_shape": [kernel, 2], "strides": [stride, 2], "pads": [pad, 0, pad, 1], "ceil_mode": int(ceil)}
    average = {**attributes, "count_include_pad": int(counted)}
    names = net.node("MaxPool", "x0", **attributes), net.node("AveragePool", "x0", **average)
    x = net.example()
    most, mean = run_onnx(net.model(*names), x)
    np.testing.assert_allclose(max_pool(x[0], attributes), most, atol=1e-6)
    totals, counts = sums_and_counts(x[0], average)
    np.testing.assert_allclose(totals / counts, mean, atol=1e-5)


def test_one_axis_and_three_are_no_different():
    x, w = numbers(1, 2, 9), numbers(3, 2, 4)
    wanted = F.conv1d(torch.tensor(x), torch.tensor(w), None, 2, 1).numpy()
    np.testing.assert_allclose(convolve(x, w, {"strides": [2], "pads": [1, 1]}), wanted, atol=1e-12)
    x, w = numbers(1, 2, 5, 4, 6), numbers(3, 2, 2, 3, 1)
    np.testing.assert_allclose(convolve(x, w, {}), F.conv3d(torch.tensor(x), torch.tensor(w)).numpy(), atol=1e-12)


def test_sums_of_integers_are_exact():
    x, w = np.full((1, 4096, 1, 1), 255), np.full((1, 4096, 1, 1), 32767)
    assert convolve(x, w, {}).item() == 255 * 32767 * 4096
