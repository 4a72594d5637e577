"""Functions of one byte are tables, with every rounding that the network has on the way."""

import numpy as np
import pytest

from rdpass.kernels.machine import machine_of
from rdpass.passes.lowering.match.find_lookups import find_lookups
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import HERE, called_exactly, flow_of, integers_of

SHAPE = (2, 20, 7, 5)


def silu(net, x):
    return net.node("Mul", x, net.quantised(net.node("Sigmoid", x), 1 / 255, 0))


def scaled(net, x):
    return net.node("Add", net.node("Mul", x, net.constant(np.float32(1.7))), net.constant(np.float32(-0.2)))


FUNCTIONS = {
    "sigmoid": lambda net, x: net.node("Sigmoid", x),
    "hard sigmoid": lambda net, x: net.node("HardSigmoid", x, alpha=1 / 6, beta=0.5),
    "hard swish": lambda net, x: net.node("HardSwish", x),
    "leaky": lambda net, x: net.node("LeakyRelu", x, alpha=0.1),
    "tanh": lambda net, x: net.node("Tanh", x),
    "relu": lambda net, x: net.relu(x),
    "silu with a rounding between": silu,
    "by constants": scaled,
    "another scale": lambda net, x: x,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_every_byte_is_what_the_network_says(name, kind):
    net = QdqNet(SHAPE, kind=kind)
    y = net.quantised(FUNCTIONS[name](net, net.quantised("x0")), 0.02, 40)
    assert integers_of(called_exactly(net, y, off=1e-2)) == ["u8_lookup"]


def test_a_map_that_others_read_stays():
    net = QdqNet(SHAPE)
    x = net.quantised("x0")
    y = net.quantised(net.node("Sigmoid", x), 1 / 255, 0)
    z = net.quantised(net.node("Mul", x, y), 0.02)
    names = integers_of(called_exactly(net, z, y, off=1e-2))
    assert sorted(names) == ["u8_lookup", "u8_map"]


def test_two_maps_and_constants_for_each_channel_are_no_table():
    net = QdqNet(SHAPE, SHAPE)
    x, y = net.quantised("x0"), net.quantised("x1")
    slopes = net.constant(net.random.uniform(0, 1, (20, 1, 1)).astype(np.float32))
    ends = net.quantised(net.node("Mul", x, net.node("Sigmoid", y))), net.quantised(net.node("PRelu", x, slopes))
    assert not [*find_lookups(flow_of(net, *ends), machine_of(HERE))]
