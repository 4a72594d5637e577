"""What is done to maps of bytes without weights: every byte right, or one step off next to a half."""

import numpy as np
import pytest

from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import called_exactly, integers_of

OFF = 2e-3
"""The share of outputs that may be a step off: kernels round factors to float32 where the network rounds numbers."""


def given(*shapes):
    net = QdqNet(*shapes)
    return net, *(net.quantised(f"x{index}", 0.03127 + 0.0117 * index, 100 + 9 * index) for index in range(len(shapes)))


def test_sums_of_two_scales_with_bounds():
    net, x, y = given((2, 20, 7, 9), (2, 20, 7, 9))
    assert integers_of(called_exactly(net, net.quantised(net.relu(net.add(x, y)), 0.05171, 90), off=OFF)) == ["u8_add"]


@pytest.mark.parametrize("size", [(7, 9), (1, 1)])
def test_products_with_a_map_and_with_a_gate(size):
    net, x, y = given((2, 20, 7, 9), (2, 20, *size))
    (name,) = integers_of(called_exactly(net, net.quantised(net.node("Mul", x, y), 0.02113), off=OFF))
    assert name in ("u8_map", "u8_gate")


@pytest.mark.parametrize("kind", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 1, 0, 0]], ids=str)
def test_pools_leave_out_what_lies_outside(kind, pads):
    net, x = given((2, 20, 9, 11))
    y = net.node(kind, x, kernel_shape=[3, 3], strides=[2, 2], pads=pads)
    scale = {"scale": 0.03127, "zero": 100} if kind == "MaxPool" else {"scale": 0.02113}
    assert integers_of(called_exactly(net, net.quantised(y, **scale), off=OFF)) in (["u8_max"], ["u8_average"])


def test_a_max_pool_that_changes_the_scale_is_left_to_floats():
    net, x = given((1, 20, 9, 11))
    y = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    assert integers_of(called_exactly(net, net.quantised(y, 0.05), off=OFF)) == []


@pytest.mark.parametrize("keep", [0, 1])
def test_means_as_maps_and_as_vectors(keep):
    net, x = given((2, 20, 7, 9))
    y = net.node("ReduceMean", x, net.constant(np.array([2, 3])), keepdims=keep)
    assert integers_of(called_exactly(net, net.quantised(y, 0.01), off=0.03)) == ["u8_head"]


@pytest.mark.parametrize("mode", ["nearest", "linear"])
def test_other_extents(mode):
    net, x = given((1, 20, 7, 9))
    sizes = net.constant(np.array([1, 1, 2, 2], np.float32))
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"} if mode == "nearest" else {}
    y = net.node("Resize", x, "", sizes, mode=mode, **attributes)
    scale = {"scale": 0.03127, "zero": 100} if mode == "nearest" else {"scale": 0.02113}
    assert integers_of(called_exactly(net, net.quantised(y, **scale), off=OFF)) == [f"u8_{mode}"]


@pytest.mark.parametrize("channels", [(16, 32), (20, 7, 16)], ids=str)
@pytest.mark.parametrize("same", [True, False])
def test_maps_one_behind_another(channels, same):
    net = QdqNet(*((1, count, 7, 5) for count in channels))
    parts = [net.quantised(f"x{i}", 0.03127 if same else 0.02 + 0.01171 * i, 100) for i in range(len(channels))]
    y = net.quantised(net.node("Concat", *parts, axis=1), 0.03127, 100)
    copies = [] if same and channels == (16, 32) else ["u8_concatenation"]  # whole blocks lie there already
    assert integers_of(called_exactly(net, y, off=OFF)) == copies


def test_what_lies_side_by_side_already_is_not_copied():
    net = QdqNet((1, 16, 7, 5))
    x = net.quantised("x0")
    parts = [net.quantised(net.layer(x, "Conv", (16, 16, 1, 1), 0), 0.05) for _ in range(2)]
    y = net.quantised(net.node("Concat", *parts, axis=1), 0.05)
    y = net.quantised(net.layer(y, "Conv", (16, 32, 3, 3), 0))
    assert integers_of(called_exactly(net, y)) == ["u8_pointwise", "u8_pointwise", "u8_direct"]
