"""Weights that are quantised in the graph, as training with fake quantisation exports them, become integers.

1. QuantizeLinear of a constant is a constant, and so is a Clip of its integers, which some tools put behind it; the
   DequantizeLinear behind stays, for kernels that take integers.
2. What turns or reshapes dequantised weights, as files from TFLite have it, turns the integers instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, computed, constant, input_of, made_by, replace, shape_of
from rdpass.onnx.quantised_values import quantise

OPERATORS = ("QuantizeLinear", "Clip", "Transpose", "Reshape")


def fold_quantised(node: ir.Node) -> bool:
    """Compute the node on constants; False where what it reads is none."""
    if node.op_type in ("Transpose", "Reshape"):
        return _turn(node)
    return _fold_clip(node) if node.op_type == "Clip" else _fold(node)


def _turn(node: ir.Node) -> bool:
    """Case 2."""
    source = made_by(input_of(node, 0), "DequantizeLinear")
    integers = None if source is None else array_of(input_of(source, 0))
    shape = shape_of(node.outputs[0])
    if source is None or integers is None or shape is None or node.outputs[0].is_graph_output():
        return False
    turned = integers.transpose(attribute(node, "perm")) if node.op_type == "Transpose" else integers.reshape(shape)
    axis = _axis_behind(node, source, integers.shape, shape)
    if axis is None or attribute(source, "block_size", 0):
        return False
    weights = computed(node, "DequantizeLinear", [constant(node, turned), *source.inputs[1:]], shape, axis=axis)
    weights.type = node.outputs[0].type
    replace(node, weights)
    return True


def _axis_behind(node: ir.Node, source: ir.Node, before: Sequence[int], after: Sequence[int]) -> int | None:
    """The axis of the scales once the weights are turned; None where a Reshape leaves none of theirs."""
    scale = array_of(input_of(source, 1))
    if scale is None:
        return None
    if scale.size == 1:
        return 0
    axis = int(attribute(source, "axis", 1)) % len(before)
    if node.op_type == "Transpose":
        return tuple(attribute(node, "perm")).index(axis)
    places = (place for place, extent in enumerate(after) if extent == before[axis])
    return next((place for place in places if prod(after[:place]) == prod(before[:axis])), None)


def _fold_clip(node: ir.Node) -> bool:
    numbers, bounds = array_of(input_of(node, 0)), [array_of(input_of(node, index)) for index in (1, 2)]
    given = [input_of(node, index) is not None for index in (1, 2)]
    if numbers is None or numbers.dtype.kind not in "iu" or node.outputs[0].is_graph_output():
        return False
    if any(bound is None and is_given for bound, is_given in zip(bounds, given, strict=True)) or not any(given):
        return False
    low, high = bounds
    replace(node, constant(node, np.clip(numbers, low, high).astype(numbers.dtype)))
    return True


def _fold(node: ir.Node) -> bool:
    numbers, scale, zero = (array_of(input_of(node, index)) for index in range(3))
    if numbers is None or scale is None or zero is None or zero.dtype.kind not in "iu":
        return False
    if attribute(node, "block_size", 0) or node.outputs[0].is_graph_output():
        return False
    replace(node, constant(node, quantise(numbers, scale, zero, attribute(node, "axis", 1))))
    return True
