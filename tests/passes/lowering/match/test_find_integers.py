"""Layers between maps of bytes become kernels of bytes, and give every number of the network's integers."""

import numpy as np
import pytest

from rdpass.kernels.machine import machine_of
from rdpass.passes.lowering.match.find_integers import find_integers
from rdpass.targets.lookup import find_target
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import HERE, called_exactly, flow_of, integers_of, kinds_for

SAME = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}


def two_layers(net):
    x = net.quantised("x0")
    x = net.quantised(net.relu(net.layer(x, "Conv", (24, 20, 3, 3), 0, strides=[2, 2], **SAME)), zero=3)
    return net.quantised(net.layer(x, "Conv", (18, 24, 1, 1), 0), 0.05)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("weights", ["int8", "uint8"])
def test_layers_are_exact_whatever_sign_bytes_have(kind, weights):
    net = QdqNet((2, 20, 9, 11), kind=kind, weights=weights)
    assert integers_of(called_exactly(net, two_layers(net))) == ["u8_direct", "u8_pointwise"]


def test_arm_keeps_signed_bytes():
    net = QdqNet((2, 20, 9, 11))
    assert integers_of(kinds_for(net, "rpi5", two_layers(net))) == ["s8_direct", "s8_pointwise"]


def test_bounds_are_held_in_bytes():
    net = QdqNet((1, 20, 7, 7))
    low, high = (net.constant(net.random.uniform(*span, ()).astype("float32")) for span in ((-1, 0), (0.5, 1)))
    x = net.node("Clip", net.layer(net.quantised("x0"), "Conv", (33, 20, 3, 3), 0, **SAME), low, high)
    assert integers_of(called_exactly(net, net.quantised(x))) == ["u8_direct"]


@pytest.mark.parametrize("groups", [2, 5])
def test_groups_borders_and_dilation_are_exact(groups):
    net = QdqNet((1, 20, 9, 7))
    shape = (30, 20 // groups, 3, 3)
    x = net.layer(net.quantised("x0", zero=7), "Conv", shape, 0, group=groups, dilations=[2, 1], pads=[2, 0, 1, 1])
    assert integers_of(called_exactly(net, net.quantised(x))) == ["u8_direct"]


def test_one_scale_for_all_weights_and_no_bias_will_do():
    net = QdqNet((1, 16, 7, 7))
    weights, _ = net.weights_of((16, 16, 1, 1), None)
    x = net.node("Conv", net.quantised("x0"), weights)
    assert integers_of(called_exactly(net, net.quantised(x))) == ["u8_pointwise"]


def test_what_is_not_quantised_behind_a_layer_is_float32():
    net = QdqNet((1, 20, 7, 7))
    x = net.layer(net.quantised("x0"), "Conv", (33, 20, 1, 1), 0)
    assert integers_of(called_exactly(net, x)) == ["u8_f32"]


def test_a_map_that_several_read_is_dequantised_for_each():
    net = QdqNet((1, 20, 7, 7))
    x = net.quantised("x0")
    first, second = (net.quantised(net.layer(x, "Conv", (17, 20, 1, 1), 0)) for _ in range(2))
    assert integers_of(called_exactly(net, first, second)) == ["u8_pointwise"] * 2


def test_weights_with_a_zero_of_their_own_are_computed_in_floats():
    net = QdqNet((1, 20, 7, 7))
    numbers = net.constant(net.random.integers(-9, 9, (8, 20, 1, 1)).astype("int8"))
    scale = net.constant(net.random.uniform(0.01, 0.02, 8).astype("float32"))
    zero = net.constant(net.random.integers(1, 5, 8).astype("int8"))
    weights = net.node("DequantizeLinear", numbers, scale, zero, axis=0)
    x = net.quantised(net.node("Conv", net.quantised("x0"), weights))
    assert integers_of(called_exactly(net, x, off=0.01)) == []


def test_weights_alone_in_bytes_go_into_kernels_of_floats():
    net = QdqNet((1, 20, 7, 7))
    weights, _ = net.weights_of((16, 20, 1, 1), 0)
    names = called_exactly(net, net.node("Conv", "x0", weights))
    assert next(name for name in names if "pointwise" in name).startswith("f32_")


def test_long_products_of_two_weights_of_128_would_not_fit():
    net = QdqNet((1, 16, 7, 7))
    weights, _ = net.weights_of((16, 16, 1, 1), 0, limit=128)
    name = net.quantised(net.node("Conv", net.quantised("x0"), weights))
    assert integers_of(called_exactly(net, name)) == ["u8_pointwise"]
    assert integers_of(kinds_for(net, "rpi5", name)) == ["s8_pointwise"]
    assert integers_of(kinds_for(net, "rpi4", name)) == []


def test_no_variable_is_in_two_placements():
    net = QdqNet((1, 20, 7, 7))
    x = net.quantised("x0")
    y = net.quantised(net.layer(x, "Conv", (20, 20, 3, 3), 0, **SAME))
    z = net.quantised(net.relu(net.add(x, net.quantised(net.layer(y, "Conv", (20, 20, 1, 1), 0)))))
    for target in (HERE, find_target("rpi4")):
        found = find_integers(flow_of(net, z, y, target=target), machine_of(target))
        variables = [variable for p in found for variable in (p.root, *p.inside)]
        assert len(set(variables)) == len(variables)
        assert len(found) >= 2


@pytest.mark.parametrize("elsewhere", [0, 200])
def test_a_folded_identity_of_sixteen_bits_is_a_kernels_option(elsewhere):
    net = QdqNet((1, 20, 7, 7))
    x = net.quantised("x0")
    weights = net.random.integers(-127, 128, (20, 20, 3, 3)).astype("int16")
    weights[range(20), range(20), 1, 1] = net.random.integers(-3000, 3000, 20)
    weights[3, 4, 0, 0] = elsewhere
    scale = net.constant(net.random.uniform(1e-4, 2e-4, 20).astype("float32"))
    zero = net.constant(np.zeros(20, "int16"))
    wide = net.node("DequantizeLinear", net.constant(weights), scale, zero, axis=0)
    y = net.quantised(net.node("Conv", x, wide, **SAME))
    names = called_exactly(net, y, off=1e-3)
    assert any("_diagonal_" in name for name in names) == (elsewhere == 0)
