"""Activations: modules that recipes know by their types."""

from __future__ import annotations

import numpy as np
import pytest

from tests.onnx.normalise.models import numbers
from tests.onnx.reading.read import layers, read


@pytest.mark.parametrize(
    ("node", "layer"),
    [
        ("Relu(x)", "ReLU"), ("LeakyRelu<alpha=0.3>(x)", "LeakyReLU"), ("Elu<alpha=0.5>(x)", "ELU"),
        ("Sigmoid(x)", "Sigmoid"), ("Celu<alpha=2.0>(x)", "CELU"), ("HardSwish(x)", "Hardswish"), ("Tanh(x)", "Tanh"),
        ("Softplus(x)", "Softplus"), ("Softsign(x)", "Softsign"), ("Mish(x)", "Mish"),
        ("Softmax<axis=1>(x)", "Softmax"), ("Clip(x, zero, six)", "ReLU6"), ("LogSoftmax(x)", "LogSoftmax"),
        ("Clip(x, zero, )", "ReLU"), ("Clip(x, low, six)", "Hardtanh"),
        ("HardSigmoid<alpha=0.16666667>(x)", "Hardsigmoid"), ("PRelu(x, slopes)", "PReLU"), ("PRelu(x, one)", "PReLU"),
        ("PRelu(x, whole)", "PReLU"),
    ],
)  # fmt: skip
def test_modules(node: str, layer: str) -> None:
    module = read(f"y = {node}", zero=np.float32(0), six=np.float32(6), low=np.float32(-0.5), slopes=numbers(6, 1, 1),
                  one=numbers(1), whole=numbers(1, 6, 1, 1))  # fmt: skip
    assert layers(module) == [layer]


def test_modules_of_later_opsets() -> None:
    assert layers(read("y = Gelu(x)", opset=20)) == ["GELU"]
    assert layers(read('y = Gelu<approximate="tanh">(x)', opset=20)) == ["GELU"]


@pytest.mark.parametrize("order", ["x, g", "g, x"])
def test_products_with_their_own_gates_are_the_activation_they_are(order: str) -> None:
    assert layers(read(f"g = Sigmoid(x) y = Mul({order})")) == ["SiLU"]
    assert layers(read(f"g = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul({order})")) == ["Hardswish"]
    assert "SiLU" not in layers(read(f"r = Relu(x) g = Sigmoid(r) y = Mul({order})"))


@pytest.mark.parametrize(
    "node",
    ["Selu(x)", "HardSigmoid(x)", "ThresholdedRelu<alpha=0.4>(x)", "Shrink<lambd=0.4, bias=0.1>(x)",
     "Hardmax<axis=1>(x)", "PRelu(x, last)", "Clip(x, , six)", "Clip(x)", "Clip(x, six, low)"],
)  # fmt: skip
def test_by_arithmetic(node: str) -> None:
    read(f"y = {node}", last=numbers(9), six=np.float32(0.6), low=np.float32(-0.5))


def test_bounds_that_are_computed() -> None:
    read("y = Clip(x, a, b)", "float[2, 3] x, float a, float b")
