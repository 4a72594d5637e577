"""Bounds on the way to a quantisation become bounds of bytes."""

import pytest

from rdpass.kernels.machine import machine_of
from rdpass.kernels.quantization import Bounds
from rdpass.passes.lowering.dataflow import operator_of
from rdpass.passes.lowering.match.integer_parts import byte_types, end_of, epilogue_of
from rdpass.targets.lookup import find_target
from tests.onnx.qdq import QdqNet
from tests.passes.lowering.quantised import flow_of

ARM = machine_of(find_target("rpi5"))


def bounds(change, target="rpi5"):
    net = QdqNet((1, 4, 5, 5))
    sums = net.layer(net.quantised("x0"), "Conv", (6, 4, 1, 1), 0)
    flow = flow_of(net, net.quantised(change(net, sums), 0.5, 10), target=find_target(target))
    conv = next(variable for variable, value in flow.bindings if operator_of(value) == "relax.nn.conv2d")
    end = end_of(flow, flow.only_reader(conv))
    return None if end is None else end.bounds(machine_of(find_target(target)))


def clipped(low, high):
    return lambda net, x: net.node("Clip", x, net.constant(low), net.constant(high))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda net, x: x, Bounds(-118, -128, 127)),
        (lambda net, x: net.relu(x), Bounds(-118, -118, 127)),
        (clipped(-1.0, 6.0), Bounds(-118, -120, -106)),
        (lambda net, x: net.relu(clipped(-1.0, 6.0)(net, x)), Bounds(-118, -118, -106)),
    ],
)
def test_bounds_are_those_of_the_bytes_that_stand_for_them(change, expected):
    import numpy as np

    def made(net, x):
        constant = net.constant
        net.constant = lambda array: constant(np.asarray(array, np.float32) if isinstance(array, float) else array)
        return change(net, x)

    assert bounds(made) == expected
    assert (epilogue_of(expected, ARM).activation == "clip") == (expected != Bounds(-118, -128, 127))


def test_other_operators_end_it():
    assert bounds(lambda net, x: net.node("Sigmoid", x)) is None


def test_bytes_are_those_that_the_core_multiplies():
    assert byte_types(ARM).abbreviation == "s8"
