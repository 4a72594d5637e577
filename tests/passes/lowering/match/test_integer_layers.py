"""Dense layers of bytes: of vectors, of means, of flattened maps, one behind the other."""

import numpy as np
import onnxruntime
import pytest

from rdpass.onnx.integer_oracle import integer_run
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import called_exactly, integers_of, kinds_for


def vector(net, x, flatten="Flatten"):
    pooled = net.quantised(net.node("GlobalAveragePool", x), 0.01)
    flat = net.node("Flatten", pooled)
    return net.quantised(flat, 0.01) if flatten == "both" else flat


@pytest.mark.parametrize("flatten", ["Flatten", "both"])
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_head_is_a_mean_and_a_layer(flatten, transposed):
    net = QdqNet((2, 20, 7, 5))
    x = vector(net, net.quantised("x0"), flatten)
    net.scales[x] = ("", 0.01)
    shape, axis = ((10, 20), 0) if transposed else ((20, 10), 1)
    y = net.quantised(net.layer(x, "Gemm", shape, axis, transB=transposed), 0.05)
    assert integers_of(called_exactly(net, y, off=0.06)) == ["u8_head", "u8_head"]
    assert integers_of(kinds_for(net, "rpi4", y)) == ["s8_head", "s8_head"]


def test_layers_in_a_row_and_a_flattened_map():
    net = QdqNet((1, 20, 3, 3))
    x = net.node("Flatten", net.quantised("x0"))
    net.scales[x] = ("", 0.03)
    x = net.quantised(net.relu(net.layer(x, "Gemm", (32, 180), 0, transB=1)), 0.02, 0)
    y = net.quantised(net.layer(x, "Gemm", (5, 32), 0, transB=1), 0.05)
    assert integers_of(called_exactly(net, y)) == ["u8_head", "u8_head"]


def test_classes_that_stay_floats():
    net = QdqNet((1, 20, 1, 1))
    x = net.node("Flatten", net.quantised("x0"))
    net.scales[x] = ("", 0.03)
    names = called_exactly(net, net.layer(x, "Gemm", (10, 20), 0, transB=1))
    assert any(name.startswith("u8_f32_head") for name in names)


def test_a_vector_that_is_no_flattened_map_is_left_to_floats():
    net = QdqNet((1, 20, 7, 5))
    x = net.node("Reshape", net.quantised("x0"), net.constant(np.array([35, 20])))
    net.scales[x] = ("", 0.03)
    y = net.quantised(net.layer(x, "Gemm", (10, 20), 0, transB=1), 0.05)
    assert "u8_head" not in integers_of(called_exactly(net, y, off=1e-2))


def test_a_filter_of_next_to_no_weights_has_a_bias_that_just_fits():
    """As onnxruntime's quantiser writes it: its scale is so small that the bias is near 2^31."""
    net = QdqNet((1, 20, 7, 7))
    x = net.quantised("x0", 0.02, 0)
    weights = net.random.integers(-3, 4, (8, 20, 1, 1)).astype("int8")
    scale = np.full(8, 1e-3, "float32")
    scale[3] = 5e-10
    bias = net.random.integers(-2000, 2000, 8).astype("int32")
    bias[3] = int(0.9999 * 2**31)
    names = [net.constant(weights), net.constant(scale), net.constant(np.zeros(8, "int8"))]
    wide = net.node("DequantizeLinear", *names, axis=0)
    added = net.node("DequantizeLinear", net.constant(bias), net.constant(np.float32(0.02) * scale), axis=0)
    y = net.quantised(net.node("Conv", x, wide, added), 0.01, 100)
    assert integers_of(called_exactly(net, y, off=1e-3)) == ["u8_pointwise"]


@pytest.mark.parametrize("operator", ["Conv", "Gemm"])
def test_weights_of_four_bits_leave_a_bias_of_floats_as_exact_as_it_is(operator):
    """On the scale of such sums it would be rounded by half a step of the output."""
    net = QdqNet((1, 16, 5, 5) if operator == "Conv" else (3, 16, 1, 1))
    x = net.quantised("x0", 0.2)
    if operator == "Gemm":
        x = net.node("Flatten", x)
        net.scales[x] = ("", 0.2)
    weights, scale = net.weights_of((16, 16, 1, 1) if operator == "Conv" else (16, 16), 0, limit=7)
    bias = net.constant((np.arange(16) - 8.5).astype("float32") * 0.2 * scale * 0.9)
    transposed = {"transB": 1} if operator == "Gemm" else {}
    y = net.quantised(net.node(operator, x, weights, bias, **transposed), 0.01)
    called_exactly(net, y)
    model, inputs = net.model(y), net.example()
    (found,), (exact,) = integer_run(model, inputs), run_with_floats(model, inputs)
    assert (np.abs(found - exact) > 1e-6).mean() < 0.05


def run_with_floats(model, inputs):
    """What ONNX defines: every layer between the pairs in floats, its bias as it is."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {value.name: x for value, x in zip(session.get_inputs(), inputs, strict=True)})
