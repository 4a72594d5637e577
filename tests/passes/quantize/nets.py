"""Float networks to quantise, written node by node."""

from __future__ import annotations

import numpy as np
import onnx

from rdpass.core.comparison import Array
from rdpass.passes.quantize.calibrators import with_zero
from rdpass.passes.quantize.histograms import take_extremes
from rdpass.passes.quantize.place_qdq import place_qdq
from rdpass.passes.quantize.prepare import prepare
from tests.onnx.nets import Net


def images(shape: tuple[int, ...], count: int = 8, seed: int = 5) -> list[list[Array]]:
    """Batches of standard-normal numbers."""
    random = np.random.default_rng(seed)
    return [[random.standard_normal(shape).astype(np.float32)] for _ in range(count)]


def plain_student(depth: int = 4, channels: int = 8, classes: int = 5) -> onnx.ModelProto:
    """A stem, 3x3 convolutions that hold a folded identity each, pooling and a dense layer."""
    net = Net((1, 3, 9, 9))
    x = net.relu(net.conv("x0", 3, channels, 3))
    for _ in range(depth):
        weights = net.random.standard_normal((channels, channels, 3, 3)) / 60
        weights[range(channels), range(channels), 1, 1] += net.random.uniform(0.7, 1.1, channels)
        bias = net.constant((net.random.standard_normal(channels) / 10).astype(np.float32))
        given = [net.constant(weights.astype(np.float32)), bias]
        x = net.relu(net.node("Conv", x, *given, kernel_shape=[3, 3], pads=[1] * 4))
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.model(net.node("Gemm", pooled, net.numbers(channels, classes), net.numbers(classes)))


def residual(classes: int = 5) -> onnx.ModelProto:
    """A residual block of odd sizes, a clip, a concatenation, pools and a dense layer."""
    net = Net((1, 3, 11, 9))
    low, high = net.constant(np.float32(0)), net.constant(np.float32(1.5))
    x = net.node("Clip", net.conv("x0", 3, 8, 3, stride=2), low, high)
    x = net.relu(net.add(x, net.conv(net.relu(net.conv(x, 8, 8, 3)), 8, 8, 3, groups=2, bias=False)))
    pooled = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4)
    x = net.node("Concat", pooled, net.conv(x, 8, 4), axis=1)
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.model(net.node("Gemm", pooled, net.numbers(12, classes), net.numbers(classes)))


def quantised(model: onnx.ModelProto, activations: str = "u8", **options: object) -> onnx.ModelProto:
    """``model``, as ``prepare`` gives it, with ranges by extremes."""
    shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    ranges = {name: with_zero(*found) for name, found in take_extremes(model, images(tuple(shape))).items()}
    return place_qdq(model, ranges, activations, **options)  # type: ignore[arg-type]


def prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    return prepare(model)
