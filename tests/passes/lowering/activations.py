"""Activations as importers and exporters write them, each as nodes behind a map of ten channels."""

from __future__ import annotations

import numpy as np

from tests.onnx.nets import Net


def hard_swish_of_clip(net: Net, x: str) -> str:
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
    "hard swish of clip": hard_swish_of_clip,
    "hard swish of hard sigmoid": _hard_swish_of_sigmoid,
    "hard sigmoid": lambda net, x: net.node("HardSigmoid", x, alpha=1 / 6),
    "sigmoid": lambda net, x: net.node("Sigmoid", x),
    "silu": lambda net, x: net.node("Mul", x, net.node("Sigmoid", x)),
}
