"""Each operator by itself, in integers worked out by hand or by plain loops."""

import numpy as np
import pytest

from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from tests.onnx.qdq import QdqNet, fused_run, steps_apart


def worked_out(x, w, bias, factor, zero):
    """A 1x1 convolution of centred integers by plain sums."""
    total = np.einsum("nchw,oc->nohw", x.astype(np.int64), w.astype(np.int64)) + bias.reshape(1, -1, 1, 1)
    steps = np.rint(total.astype(np.float32) * factor.reshape(1, -1, 1, 1)).astype(np.int64) + zero
    return np.clip(steps, 0, 255)


@pytest.mark.parametrize("axis", [None, 0])
def test_a_convolution_by_hand(axis):
    net = QdqNet((1, 6, 3, 5))
    x = net.quantised("x0", 0.05, 99)
    y = net.quantised(net.layer(x, "Conv", (4, 6, 1, 1), axis), 0.02, 7)
    given = net.example()
    arrays = {tensor.name: tensor for tensor in net.weights}
    import onnx

    w, scale, zero, bias = (onnx.numpy_helper.to_array(arrays[name]) for name in ("w2", "w3", "w4", "w5"))
    assert not zero.any()
    q = np.clip(np.rint(given[0] / np.float32(0.05)) + 99, 0, 255) - 99
    factor = np.broadcast_to(np.float32(0.05) * scale / np.float32(0.02), (4,))
    (got,) = integer_run(net.integers_out(y), given)
    assert (got == worked_out(q, w[:, :, 0, 0], bias, factor, 7)).all()


def test_padding_is_the_zero_point_and_not_the_integer_zero():
    net = QdqNet((1, 1, 1, 1))
    x = net.quantised("x0", 1.0, 100)
    weights = net.node("DequantizeLinear", net.constant(np.ones((1, 1, 3, 3), np.int8)), net.constant(np.float32(1)))
    y = net.quantised(net.node("Conv", x, weights, pads=[1, 1, 1, 1]), 1.0, 3)
    assert integer_run(net.integers_out(y), [np.full((1, 1, 1, 1), 5, np.float32)])[0].tolist() == [[[[8]]]]


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("weights", ["uint8", "int8"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_is_onnxruntimes(kind, weights, transposed):
    net = QdqNet((3, 24), kind=kind, weights=weights)
    x = net.quantised("x0")
    axis = None if weights == "uint8" else 1 - transposed
    y = net.quantised(net.layer(x, "Gemm", (7, 24) if transposed else (24, 7), axis, transB=transposed), 0.02)
    model, given = net.integers_out(y), net.example()
    (got,), (wanted,) = integer_run(model, given), fused_run(model, given)
    assert np.ptp(got.astype(int)) > 40
    assert steps_apart(got, wanted)[0] <= 1
    assert steps_apart(got, wanted)[1] < 0.1


def test_a_matmul_of_two_activations_is_exact():
    net = QdqNet((2, 3, 5), (2, 5, 4))
    left, right = net.quantised("x0", 0.02, 120), net.quantised("x1", 0.03, 130)
    model, given = net.integers_out(net.quantised(net.node("MatMul", left, right), 0.05)), net.example()
    q = [np.clip(np.rint(x / np.float32(s)) + z, 0, 255) - z for x, s, z in zip(given, (0.02, 0.03), (120, 130),
                                                                               strict=True)]  # fmt: skip
    factor = np.float32(0.02) * np.float32(0.03) / np.float32(0.05)
    wanted = np.clip(np.rint((q[0] @ q[1]).astype(np.float32) * factor) + 128, 0, 255)
    assert (integer_run(model, given)[0] == wanted).all()


def test_weights_that_were_transposed_in_the_graph_keep_their_scales():
    net = QdqNet((3, 6))
    x = net.quantised("x0")
    weights, scale = net.weights_of((5, 6), 0)
    model = net.integers_out(net.quantised(net.node("MatMul", x, net.node("Transpose", weights, perm=[1, 0]))))
    same = QdqNet((3, 6))
    again, _ = same.weights_of((5, 6), 0) if same.quantised("x0") else None
    given = net.example()
    same_model = same.integers_out(same.quantised(same.node("Gemm", "v1", again, transB=1)))
    assert scale.size == 5
    assert (integer_run(model, given)[0] == integer_run(same_model, given)[0]).all()


def test_a_clip_between_bounds_the_integers():
    net = QdqNet((2, 3, 8, 8))
    x = net.quantised("x0")
    sums = net.layer(x, "Conv", (4, 3, 1, 1), 0)
    low, high = net.constant(np.float32(-0.1)), net.constant(np.float32(0.333))
    bounded, whole = net.quantised(net.node("Clip", sums, low, high), 0.01), net.quantised(sums, 0.01)
    got, free = integer_run(net.integers_out(bounded, whole), net.example())
    assert free.min() < 118
    assert free.max() > 161
    assert (got == np.clip(free, 118, 161)).all()


def test_bounds_per_channel_do_too():
    net = QdqNet((1, 3, 4, 4))
    sums = net.layer(net.quantised("x0"), "Conv", (4, 3, 1, 1), 0)
    low = np.array([-np.inf, -0.1, 0, 0.1], np.float32).reshape(1, 4, 1, 1)
    bounded = net.node("Min", net.node("Max", sums, net.constant(low)), net.constant(low + np.float32(0.2)))
    got, free = integer_run(net.integers_out(net.quantised(bounded, 0.01), net.quantised(sums, 0.01)), net.example())
    least, most = np.array([0, 118, 128, 138]), np.array([0, 138, 148, 158])
    assert (got == np.clip(free, least.reshape(1, 4, 1, 1), most.reshape(1, 4, 1, 1))).all()


def test_two_sums_of_the_same_scales_are_added_before_they_are_rounded():
    net = QdqNet((1, 6, 3, 5))
    x = net.quantised("x0", 0.05, 99)
    scale, zero = net.constant(np.array([0.01, 0.02], np.float32)), net.constant(np.zeros(2, np.int8))
    taps = [net.random.integers(-60, 60, (2, 6, 1, 1)).astype(np.int8) for _ in range(2)]
    both = [net.node("Conv", x, net.node("DequantizeLinear", net.constant(w), scale, zero, axis=0)) for w in taps]
    whole = net.node("Conv", x, net.node("DequantizeLinear", net.constant(sum(taps)), scale, zero, axis=0))
    model = net.integers_out(*(net.quantised(net.relu(y), 0.013, 5) for y in (net.add(*both), whole)))
    halves, joined = integer_run(model, net.example())
    assert np.ptp(joined) > 20
    np.testing.assert_array_equal(halves, joined)


SIMPLE = (0.02, 0.05, 0.04)
"""Scales of simple ratios: many sums and products lie half between two steps."""


@pytest.mark.parametrize("scales", [SIMPLE, (0.0191, 0.0257, 0.0313)])
def test_two_maps_are_added_as_onnxruntimes_integer_kernel_does_ties_too(scales):
    net = QdqNet((2, 4, 20, 30), (2, 4, 20, 30))
    first, second = net.quantised("x0", scales[0]), net.quantised("x1", scales[1])
    model, given = net.integers_out(net.quantised(net.add(first, second), scales[2])), net.example()
    (got,) = integer_run(model, given)
    assert np.ptp(got.astype(int)) > 60
    np.testing.assert_array_equal(got, fused_run(model, given)[0])


@pytest.mark.parametrize("shape", [(2, 4, 20, 30), (2, 4, 1, 1)])
def test_a_product_of_two_maps_is_exact_before_it_is_rounded(shape):
    net = QdqNet((2, 4, 20, 30), shape)
    first, second = net.quantised("x0", SIMPLE[0], 99), net.quantised("x1", SIMPLE[1], 128)
    model, given = net.integers_out(net.quantised(net.node("Mul", first, second), SIMPLE[2], 120)), net.example()
    a, b = (
        np.clip(np.rint(x / np.float32(s)), -z, 255 - z) for x, s, z in zip(given, SIMPLE[:2], (99, 128), strict=True)
    )
    factor = np.float32(0.02) * np.float32(0.05) / np.float32(0.04)
    expected = np.clip(np.rint((a * b).astype(np.float32) * factor) + 120, 0, 255)
    np.testing.assert_array_equal(integer_run(model, given)[0], expected)


def test_a_sum_is_the_same_whichever_map_comes_first():
    net = QdqNet((1, 4, 50, 50), (1, 4, 50, 50))
    first, second = net.quantised("x0", 0.0191), net.quantised("x1", 0.0257)
    both = [net.quantised(net.add(*pair), 0.0313) for pair in ((first, second), (second, first))]
    one, other = integer_run(net.integers_out(*both), net.example())
    np.testing.assert_array_equal(one, other)


def test_a_sum_that_floats_read_is_the_numbers_meant():
    net = QdqNet((1, 4, 5, 5), (1, 4, 5, 5))
    total = net.relu(net.add(net.quantised("x0", 0.02), net.quantised("x1", 0.05)))
    model, given = net.model(net.node("Sigmoid", total)), net.example()
    np.testing.assert_allclose(integer_run(model, given)[0], run_onnx(model, given)[0], atol=1e-6)


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("AveragePool", {"kernel_shape": [2, 2], "pads": [1, 0, 0, 1]}),
        ("AveragePool", {"kernel_shape": [3, 2], "pads": [1, 0, 0, 1], "count_include_pad": 1}),
        ("GlobalAveragePool", {}),
        ("ReduceMean", {"keepdims": 0}),
    ],
)
def test_means_have_one_factor(operator, attributes):
    """Of four numbers many lie half between two steps, and float32's sums of floats would decide."""
    net = QdqNet((1, 3, 8, 8))
    axes = [net.constant(np.array([2, 3]))] if operator == "ReduceMean" else []
    x = net.quantised("x0", 0.02, 120)
    y = net.quantised(net.node(operator, x, *axes, **attributes), 0.005, 99)
    model, given = net.integers_out(y), net.example()
    q = np.clip(np.rint(given[0] / np.float32(0.02)), -120, 135)
    counted = np.ones_like(q)
    if operator == "AveragePool":
        rows, columns = attributes["kernel_shape"]
        q, counted = (np.pad(each, ((0, 0), (0, 0), (1, 0), (0, 1))) for each in (q, counted))
        q, counted = (np.lib.stride_tricks.sliding_window_view(each, (rows, columns), (2, 3)) for each in (q, counted))
    total, counts = (each.sum((-2, -1)) for each in (q, counted))
    counts = 6 if "count_include_pad" in attributes else counts
    factor = (np.float64(np.float32(0.02) / np.float32(0.005)) / counts).astype(np.float32)
    expected = np.clip(np.rint(total.astype(np.float32) * factor) + 99, 0, 255)
    (got,) = integer_run(model, given)
    np.testing.assert_array_equal(got.ravel(), expected.ravel())


@pytest.mark.parametrize("scale", [0.02, 0.0313])
def test_a_linear_resize_is_a_mean_of_whole_parts(scale):
    net = QdqNet((1, 3, 5, 6))
    x = net.quantised("x0", 0.02, 120)
    factors = net.constant(np.array([1, 1, 2, 2], np.float32))
    y = net.quantised(net.node("Resize", x, "", factors, mode="linear"), scale, 99)
    model, given = net.integers_out(y), net.example()
    q = np.clip(np.rint(given[0] / np.float32(0.02)), -120, 135)
    for axis in (2, 3):
        ends = [(1, 1) if axis == each else (0, 0) for each in range(4)]
        padded = np.moveaxis(np.pad(q, ends, mode="edge"), axis, 0)
        mixed = np.stack([3 * padded[:-1] + padded[1:], padded[:-1] + 3 * padded[1:]], 1)
        q = np.moveaxis(mixed.reshape(-1, *mixed.shape[2:])[1:-1], 0, axis)
    factor = np.float32(np.float64(np.float32(0.02) / np.float32(scale)) / 16)
    expected = np.clip(np.rint(q.astype(np.float32) * factor) + 99, 0, 255)
    np.testing.assert_array_equal(integer_run(model, given)[0], expected)
