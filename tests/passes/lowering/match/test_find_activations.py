"""Activations of a value that nobody else reads; what only looks like one keeps its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.activations import ACTIVATIONS, hard_swish_of_clip
from tests.passes.lowering.lowered import lower_checked


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_as_exporters_write_it_ends_its_layer(name: str) -> None:
    net = Net((1, 6, 9, 7))
    x = net.conv(net.conv("x0", 6, 10, 3), 10, 10)
    x = ACTIVATIONS[name](net, net.add(net.conv(x, 10, 10, 3), x))
    lowered, called = lower_checked(net, net.conv(x, 10, 4, 3))
    assert len(called) == 4 + 2  # and a change of layout at either end
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def _other_alpha(net: Net, x: str) -> str:
    return net.node("HardSigmoid", x, alpha=0.2)


def _read_elsewhere(net: Net, x: str) -> str:
    return net.add(hard_swish_of_clip(net, x), net.node("Exp", x))


def _negative_factor(net: Net, x: str) -> str:
    bounds = net.constant(np.float32(0)), net.constant(np.float32(6))
    gate = net.node("Clip", net.add(x, net.constant(np.float32(3))), *bounds)
    return net.node("Mul", net.node("Mul", x, gate), net.constant(np.float32(-1 / 6)))


def _other_map(net: Net, x: str) -> str:
    return net.node("Mul", net.conv("x0", 6, 10), net.node("Sigmoid", x))


@pytest.mark.parametrize("almost", [_other_alpha, _read_elsewhere, _negative_factor, _other_map])
def test_what_only_looks_like_an_activation_keeps_its_value(almost: Any) -> None:
    net = Net((1, 6, 9, 7))
    lower_checked(net, net.conv(almost(net, net.conv("x0", 6, 10, 3)), 10, 4, 3))
