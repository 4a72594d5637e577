"""Dense layers of bytes: of vectors, of means, of flattened maps, one behind the other."""

import numpy as np
import pytest

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
