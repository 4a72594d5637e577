"""Weights that are quantised in the graph, as training with fake quantisation exports them, become integers.

QuantizeLinear of a constant is a constant; the DequantizeLinear behind it stays, for kernels that take integers.
"""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, constant, input_of, replace
from rdpass.onnx.quantised_values import quantise

OPERATORS = ("QuantizeLinear",)


def fold_quantised(node: ir.Node) -> bool:
    """Compute the node; False where its numbers, its scale or its zero point are no constants."""
    numbers, scale, zero = (array_of(input_of(node, index)) for index in range(3))
    if numbers is None or scale is None or zero is None or zero.dtype.kind not in "iu":
        return False
    if attribute(node, "block_size", 0) or node.outputs[0].is_graph_output():
        return False
    replace(node, constant(node, quantise(numbers, scale, zero, attribute(node, "axis", 1))))
    return True
