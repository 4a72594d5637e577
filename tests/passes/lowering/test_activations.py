"""Activations, gates and epilogues end the layer before them, and what only looks like one keeps its value."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rdpass.passes.lowering.read.fallbacks import find_fallbacks
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked


@pytest.mark.parametrize("channels", [3, 5, 12, 21])
@pytest.mark.parametrize("activation", ["Relu", "clip", "bounds", "none"])
def test_channels_that_fill_no_vector_and_every_activation(channels: int, activation: str) -> None:
    net = Net((1, channels, 7, 9), seed=channels)
    x = net.conv(net.conv("x0", channels, channels + 2, 3), channels + 2, channels, 3)
    if activation == "Relu":
        x = net.relu(x)
    elif activation == "clip":
        x = net.node("Clip", x, net.constant(np.float32(-0.5)), net.constant(np.float32(0.25)))
    elif activation == "bounds":
        low = np.where(np.arange(channels) % 2, -np.inf, -0.1).astype(np.float32).reshape(1, channels, 1, 1)
        high = np.where(np.arange(channels) % 3, np.inf, 0.2).astype(np.float32).reshape(1, channels, 1, 1)
        x = net.node("Min", net.node("Max", x, net.constant(low)), net.constant(high))
    _, called = lower_checked(net, net.conv(x, channels, 6))
    assert not any("conv" in name or "max" in name for name in called)


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


def _hard_swish_of_clip(net: Net, x: str) -> str:
    """x * relu6(x + 3) / 6"""
    bounds = net.constant(np.float32(0)), net.constant(np.float32(6))
    gate = net.node("Clip", net.add(x, net.constant(np.float32(3))), *bounds)
    return net.node("Div", net.node("Mul", x, gate), net.constant(np.float32(6)))


def _hard_swish_of_sigmoid(net: Net, x: str) -> str:
    return net.node("Mul", net.node("HardSigmoid", x, alpha=1 / 6), x)


ACTIVATIONS = {
    "prelu": lambda net, x: net.node("PRelu", x, net.numbers(10, 1, 1)),
    "prelu of one slope": lambda net, x: net.node("PRelu", x, net.numbers(1, 1, 1)),
    "leaky relu": lambda net, x: net.node("LeakyRelu", x, alpha=0.1),
    "hard swish": lambda net, x: net.node("HardSwish", x),
    "hard swish of clip": _hard_swish_of_clip,
    "hard swish of hard sigmoid": _hard_swish_of_sigmoid,
    "hard sigmoid": lambda net, x: net.node("HardSigmoid", x, alpha=1 / 6),
    "sigmoid": lambda net, x: net.node("Sigmoid", x),
    "silu": lambda net, x: net.node("Mul", x, net.node("Sigmoid", x)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_as_exporters_write_it_ends_its_layer(name: str) -> None:
    net = Net((1, 6, 9, 7))
    x = net.conv(net.conv("x0", 6, 10, 3), 10, 10)
    x = ACTIVATIONS[name](net, net.add(net.conv(x, 10, 10, 3), x))
    lowered, called = lower_checked(net, net.conv(x, 10, 4, 3))
    assert len(called) == 4 + 2  # and a change of layout at either end
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


@pytest.mark.parametrize("name", [*ACTIVATIONS, "relu"])
def test_a_shortcut_round_a_block_that_ends_with_its_activation_is_added_by_the_last_layer(name: str) -> None:
    net = Net((1, 6, 9, 7))
    shortcut = net.conv("x0", 6, 10, 3)
    x = net.conv(net.relu(net.conv(shortcut, 10, 10)), 10, 10, 3)
    x = net.relu(x) if name == "relu" else ACTIVATIONS[name](net, x)
    lowered, called = lower_checked(net, net.conv(net.add(shortcut, x), 10, 4, 3))
    assert len(called) == 4 + 2
    assert all(f.operations == 0 for f in find_fallbacks(lowered))


def test_an_activated_value_that_others_read_or_that_is_added_to_itself_is_not_lost() -> None:
    net = Net((1, 6, 9, 7))
    shortcut = net.conv("x0", 6, 10, 3)
    x = net.relu(net.conv(shortcut, 10, 10))
    twice = net.relu(net.conv(net.add(x, x), 10, 10))
    lower_checked(net, net.conv(net.add(net.add(shortcut, x), twice), 10, 4), x)


def test_one_channel_or_pixel_added_to_an_activated_map_is_spread_over_it() -> None:
    net = Net((1, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    mean = net.node("GlobalAveragePool", x)
    y = net.relu(net.conv(x, 10, 10))
    lower_checked(net, net.conv(net.add(y, mean), 10, 4), net.add(net.relu(net.conv(x, 10, 10)), net.numbers(10, 1, 1)))


def _other_alpha(net: Net, x: str) -> str:
    return net.node("HardSigmoid", x, alpha=0.2)


def _read_elsewhere(net: Net, x: str) -> str:
    return net.add(_hard_swish_of_clip(net, x), net.node("Exp", x))


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


def test_a_layer_of_one_pixel_does_not_take_in_what_spreads_it_over_a_map() -> None:
    net = Net((1, 6, 9, 7))
    x = net.relu(net.conv("x0", 6, 10, 3))
    one = net.conv(net.node("GlobalAveragePool", x), 10, 10)
    lower_checked(net, net.conv(net.relu(net.add(x, one)), 10, 4, 3))
