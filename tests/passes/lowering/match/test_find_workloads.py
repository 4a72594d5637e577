"""Distinct workloads of a network and how often each occurs."""

from __future__ import annotations

from typing import Any

import numpy as np

from rdpass.deploy.lowering import import_onnx, tvm_target
from rdpass.kernels.machine import machine_of
from rdpass.kernels.workload import Convolution, Head, PointwisePair
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.match.find_workloads import Occurrence, find_workloads
from rdpass.passes.lowering.pipeline import simplify
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net


def found(net: Net, *outputs: str) -> tuple[Occurrence, ...]:
    """The workloads; the simplified module is as it was."""
    here = host_target()
    module = simplify(import_onnx(read_onnx(net.model(*outputs))), tvm_target(here), machine_of(here))
    before = module.script()
    occurrences = find_workloads(module, machine_of(here))
    assert module.script() == before
    return occurrences


def test_equal_layers_are_one_workload_of_several_calls_and_others_are_others() -> None:
    net = Net((1, 10, 9, 7))
    x = "x0"
    for _ in range(3):
        x = net.relu(net.conv(x, 10, 10, 3))
    strided = net.relu(net.conv(x, 10, 10, 3, stride=2))
    bare = net.conv(strided, 10, 10, 3, bias=False)
    assert [(f.workload.stride, f.workload.epilogue.activation, f.calls) for f in found(net, bare)] == [
        ((1, 1), "relu", 3),
        ((2, 2), "relu", 1),
        ((1, 1), "none", 1),
    ]


def test_the_constants_are_those_of_the_first_place() -> None:
    net = Net((2, 6, 5, 5))
    first, second = (net.numbers(6, 6, 3, 3) for _ in range(2))
    x = "x0"
    for weights in (first, second):
        x = net.node("Conv", x, weights, kernel_shape=[3, 3], pads=[1] * 4)
    (occurrence,) = found(net, x)
    assert occurrence.calls == 2
    weights, (bias,) = occurrence.constants
    wanted = np.frombuffer(net.weights[0].raw_data, np.float32).reshape(6, 6, 3, 3)
    assert np.array_equal(weights, wanted)
    assert not bias.any()


def test_a_pair_is_a_pair_and_what_no_kernel_computes_is_none() -> None:
    net = Net((1, 8, 9, 9))
    x = net.conv(net.relu(net.conv("x0", 8, 32)), 32, 12)
    x = net.node("Softmax", x, axis=1)
    kinds: list[Any] = [type(f.workload) for f in found(net, net.node("GlobalAveragePool", net.conv(x, 12, 5, 3)))]
    assert kinds == [PointwisePair, Convolution, Head]
