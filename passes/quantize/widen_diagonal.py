"""Widen the diagonal: the tap of each filter that holds a folded identity at 16 bits, all others at 8, one scale.

A plain student's convolution is W = R + I, the identity of the shortcut folded into the middle tap of channel o of
filter o. That tap is far larger than the rest: one scale for all leaves few levels to R. With s = max|R| / 127 a
filter, R fits int8 and the diagonal int16 on the same scale, so sums stay sums of integers with one scale a filter.

The form in the file: the weight is one int16 constant behind a DequantizeLinear, zero point 0, one scale a filter, and
every value but the diagonal's lies within ±127. Any tool that computes QDQ computes it; a kernel reads int8 weights and
adds the diagonal's products from 16 bits (``split_diagonal`` takes both apart).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx.numpy_helper import to_array

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.passes.quantize.qdq_graph import QdqGraph, integer_bias
from rdpass.passes.quantize.report import Widened

WORTH = 6.0
"""dB of noise of a layer's weights below which its diagonal is left at 8 bits."""
LARGEST, WIDEST = 127, 32767


def widen_diagonals(quantised: onnx.ModelProto, model: onnx.ModelProto) -> tuple[onnx.ModelProto, tuple[Widened, ...]]:
    """A copy of ``quantised`` with wide diagonals where they pay, given the float ``model`` it was made of."""
    copy = onnx.ModelProto()
    copy.CopyFrom(quantised)
    graph = QdqGraph(copy.graph)
    originals = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
    constants = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    widened = []
    for node in [node for node in copy.graph.node if node.op_type == "Conv" and node.name in originals]:
        original = originals[node.name]
        bias = constants.get(original.input[2]) if len(original.input) > 2 else None
        gain = _widen(graph, node, constants.get(original.input[1]), bias)
        if gain is not None:
            widened.append(Widened(node.name, gain))
    graph.drop_unused()
    return copy, tuple(widened)


def diagonal_of(weights: Array, groups: int) -> tuple[Array, ...] | None:
    """Where a convolution's folded identity lies: indices of the middle tap of each filter's own channel.

    None where there is none: other channels out than in, or a kernel without a middle.
    """
    filters, channels = weights.shape[:2]
    if filters != channels * groups or not all(size % 2 for size in weights.shape[2:]):
        return None
    own = np.arange(filters)
    return (own, own % channels, *(np.full(filters, size // 2) for size in weights.shape[2:]))


def _widen(graph: QdqGraph, node: onnx.NodeProto, weights: Array | None, bias: Array | None) -> float | None:
    """Replace the weights of ``node``; the gain in dB, or None where it stays as it is."""
    scale = graph.activation_scale(node.input[0])
    if weights is None or scale is None or graph.integers(node.input[1]) is None or weights[0].size == 1:
        return None
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    diagonal = diagonal_of(weights, groups)
    if diagonal is None:
        return None
    steps = _steps(weights, diagonal, bias, scale)
    whole = np.abs(weights).reshape(len(weights), -1).max(1) / LARGEST
    gain = 10 * float(np.log10((whole**2).mean() / (steps**2).mean()))
    if gain < WORTH:
        return None
    _replace(graph, node, weights, bias, steps, scale)
    return gain


def _steps(weights: Array, diagonal: tuple[Array, ...], bias: Array | None, scale: Array) -> Array:
    """One scale a filter: of the rest, but no finer than the diagonal's 16 bits and the bias's 32 can follow."""
    rest = weights.astype(np.float64)
    own = np.abs(rest[diagonal])
    rest[diagonal] = 0
    steps = np.maximum(np.abs(rest).reshape(len(rest), -1).max(1) / LARGEST, own / WIDEST)
    if bias is not None:
        steps = np.maximum(steps, np.abs(bias) / (float(scale) * (2.0**31 - 1024)))
    return np.where(steps > 0, steps, 1.0).astype(FLOAT32)


def _replace(
    graph: QdqGraph, node: onnx.NodeProto, weights: Array, bias: Array | None, steps: Array, scale: Array
) -> None:
    integers = np.rint(weights.astype(np.float64) / steps.reshape(-1, *[1] * (weights.ndim - 1)))
    name = f"{node.name}_wide"
    added = [graph.dequantised(f"{name}_weight", integers.astype(np.int16), steps, np.zeros(len(steps), np.int16))]
    if bias is not None:
        product = (scale.astype(FLOAT32) * steps).astype(FLOAT32)
        zero = np.zeros(len(steps), np.int32)
        added.append(graph.dequantised(f"{name}_bias", integer_bias(bias, product), product, zero))
    place = next(index for index, other in enumerate(graph.graph.node) if other is node or other == node)
    for new in reversed(added):
        graph.graph.node.insert(place, new)
    node.input[1:] = [new.output[0] for new in added]
