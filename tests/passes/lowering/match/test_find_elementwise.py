"""Epilogues alone: what no layer takes in, on maps that kernels wrote."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.activations import ACTIVATIONS
from tests.passes.lowering.lowered import kinds_of, lower_checked


@pytest.mark.parametrize("gate", ["Sigmoid", "HardSigmoid"])
def test_a_squeeze_and_its_gate_are_kernels(gate: str) -> None:
    net = Net((1, 16, 8, 8))
    x = net.relu(net.conv("x0", 16, 32, 3))
    squeezed = net.relu(net.conv(net.node("GlobalAveragePool", x), 32, 8))
    alpha = {"alpha": 1 / 6} if gate == "HardSigmoid" else {}
    x = net.node("Mul", x, net.node(gate, net.conv(squeezed, 8, 32), **alpha))
    lowered, called = lower_checked(net, net.conv(x, 32, 16))
    assert kinds_of(called)[2:] == ["head", "pointwise", "pointwise", "gate", "pointwise", "planar"]
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def _squared(net: Net, pooled: str) -> str:
    mean = net.node("GlobalAveragePool", pooled)
    return net.add(pooled, net.node("Mul", mean, mean))


def _doubled(net: Net, pooled: str) -> str:
    return net.add(pooled, pooled)


def _bounded(net: Net, pooled: str) -> str:
    bounds = net.constant(np.float32(-0.25)), net.constant(np.float32(0.5))
    return net.add(net.node("Clip", pooled, *bounds), net.relu(pooled))


@pytest.mark.parametrize("alone", [*ACTIVATIONS.values(), _squared, _doubled, _bounded])
def test_an_epilogue_of_a_map_that_no_convolution_gave_keeps_its_value(alone: Any) -> None:
    net = Net((1, 6, 9, 7))
    pooled = net.node("MaxPool", net.conv("x0", 6, 10, 3), kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    lower_checked(net, net.conv(alone(net, pooled), 10, 4, 3))


def test_a_norm_before_a_padded_convolution_is_a_kernel_and_so_is_a_sum_of_maps_that_no_layer_ends() -> None:
    net = Net((2, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 12, 3))
    y = net.node("PRelu", net.conv(net.norm(x, 12), 12, 12, 3), net.numbers(12, 1, 1))
    pooled = net.node("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    last = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    lowered, called = lower_checked(net, net.conv(net.relu(net.add(pooled, last)), 12, 4, 3))
    kinds = Counter(kinds_of(called))
    assert kinds["scale"] == kinds["relu"] == 1
    assert kinds["max"] == 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))
