"""Normalisations that TVM computes in part, by their formulas.

LayerNormalization with its further results:  m = mean(x);  i = 1 / sqrt(mean((x - m)^2) + eps);  (x - m) i s + b
RMSNormalization over all axes:               x / sqrt(mean(x^2) + eps) s
LpNormalization:                              x / max(norm(x), tiny)
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import attribute, computed, constant, input_of, replace, shape_of

OPERATORS = ("LayerNormalization", "RMSNormalization", "LpNormalization")


def norm_in_parts(node: ir.Node) -> bool:
    """Replace the node; False where TVM computes all that is asked of it."""
    shape, source = shape_of(input_of(node, 0)), node.inputs[0]
    if shape is None or source is None:
        return False
    if node.op_type == "LpNormalization":
        return _lp(node, source, shape)
    axis = attribute(node, "axis", -1) % len(shape)
    further = any(value.uses() or value.is_graph_output() for value in node.outputs[1:])
    if (node.op_type == "LayerNormalization" and not further) or (node.op_type == "RMSNormalization" and axis):
        return False
    kept = shape[:axis] + (1,) * (len(shape) - axis)
    axes = constant(node, range(axis, len(shape)), np.int64)
    centred = source
    results = []
    if node.op_type == "LayerNormalization":
        results.append(computed(node, "ReduceMean", [source, axes], kept))
        centred = computed(node, "Sub", [source, results[0]], shape)
    square = computed(node, "Mul", [centred, centred], shape)
    mean = computed(node, "ReduceMean", [square, axes], kept)
    raised = computed(node, "Add", [mean, _number(node, source, attribute(node, "epsilon", 1e-5))], kept)
    results.append(computed(node, "Reciprocal", [computed(node, "Sqrt", [raised], kept)], kept))
    whole = computed(node, "Mul", [computed(node, "Mul", [centred, results[-1]], shape), node.inputs[1]], shape)
    bias = input_of(node, 2)
    whole = whole if bias is None else computed(node, "Add", [whole, bias], shape)
    _put(node, [whole, *results][: len(node.outputs)])
    return True


def _lp(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> bool:
    axis = attribute(node, "axis", -1) % len(shape)
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    axes = constant(node, [axis], np.int64)
    length = computed(node, f"ReduceL{attribute(node, 'p', 2)}", [source, axes], kept)
    held = computed(node, "Max", [length, _number(node, source, 1e-30)], kept)
    replace(node, computed(node, "Div", [source, held], shape))
    return True


def _number(node: ir.Node, like: ir.Value, number: float) -> ir.Value:
    assert like.dtype is not None
    return constant(node, number, like.dtype.numpy())


def _put(node: ir.Node, values: list[ir.Value]) -> None:
    """The values in the place of the node's results, by Identities where these are outputs of the graph."""
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    for result, value in zip(list(node.outputs), values, strict=True):
        if result.is_graph_output():
            value = computed(node, "Identity", [value], shape_of(value))
            result.name, value.name = f"{result.name}_before", result.name
            for index, output in enumerate(graph.outputs):
                if output is result:
                    graph.outputs[index] = value
        result.replace_all_uses_with(value)
    graph.remove(node, safe=True)
