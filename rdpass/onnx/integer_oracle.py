"""The oracle of quantised networks: a QDQ graph computed in integers by numpy, without onnxruntime or our kernels.

1. ``DequantizeLinear`` computes nothing: its integers go on, with their scale, into what reads them.
2. Conv, ConvTranspose, Gemm and MatMul of two such inputs sum exactly. A bias on the scale of the sums is added as it
   is; any other is rounded to that scale first, which weights of a few bits make finer by doubling as long as they are
   bytes. Two such sums on the same scales add up to one.
3. Relu, Clip, and Max and Min with a constant, only bound such sums.
4. ``QuantizeLinear`` of sums: float32(sum) · float32((x_scale · w_scale) / y_scale), in float32, rounded half to even,
   plus the zero point, saturated; then the bounds, rounded likewise. This is what onnxruntime's QLinearConv computes.
5. Between maps of integers with one scale each: a product is such a sum, of one number. A mean is, with its factor
   divided by how many numbers it is of, in float64. Two maps that are added give float32(x) · float32(x_scale /
   y_scale) each, added in float32. Linear Resize is a mean: positions are fractions, so its weights are whole parts.
6. Every other operator (Concat, activations, …) is computed in float64 from the numbers meant, each a float32.
   ``QuantizeLinear`` of its result: rounded to float32, divided by the scale in float32, rounded half to even, plus
   the zero point, saturated, as ONNX defines it. Rule 5 differs from that by a step, next to a half.
7. Layers that are not quantised are computed in float64, and so are outputs of the graph that are not integers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx.inliner import inline_local_functions
from onnx.numpy_helper import to_array
from onnx.reference import ReferenceEvaluator

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, first_line
from rdpass.onnx.integer_operators import OPERATORS, Call
from rdpass.onnx.normalise.qoperators import rewrite_qoperators
from rdpass.onnx.quantised_values import Quantised, Value, real_of

RESHAPING = ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Transpose")
"""Operators that only move numbers: the integers pass through them with their scale."""


def integer_run(model: onnx.ModelProto | str | Path, inputs: Sequence[Array]) -> list[Array]:
    """Compute a QDQ network in integers.

    Args:
        model: a network with QuantizeLinear and DequantizeLinear, or with operators of integers (QLinearConv, …), or
            its file; float layers may stand among them.
        inputs: arrays in the model's order, of its shapes.

    Returns:
        The outputs in the model's order: integers where a QuantizeLinear ends the graph, else float64.

    Raises:
        ConfigError: a node can't be computed; the message names it.

    Example:
        >>> integer_run("student-int8.onnx", [image])[0].shape
        (1, 10)
    """
    whole = model if isinstance(model, onnx.ModelProto) else onnx.load(model)
    whole = rewrite_qoperators(inline_local_functions(whole) if whole.functions else whole, "the model")
    graph = whole.graph
    values: dict[str, Value] = {tensor.name: to_array(tensor) for tensor in graph.initializer}
    given = [value.name for value in graph.input if value.name not in values]
    if len(given) != len(inputs):
        raise ConfigError(f"the model takes {len(given)} inputs ({', '.join(given)}), not {len(inputs)}")
    values |= {name: np.asarray(x) for name, x in zip(given, inputs, strict=True)}
    opsets = {entry.domain: entry.version for entry in whole.opset_import}
    for node in graph.node:
        values |= zip(node.output, _computed(node, values, opsets), strict=False)
    return [real_of(values[output.name]) for output in graph.output]


def _computed(node: onnx.NodeProto, values: Mapping[str, Value], opsets: Mapping[str, int]) -> Sequence[Value]:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    attributes = {name: value.decode() if isinstance(value, bytes) else value for name, value in attributes.items()}
    call = Call(node, attributes, tuple(values[name] if name else None for name in node.input))
    own = OPERATORS.get(node.op_type)
    try:
        result = own(call) if own else None
        return [result] if result is not None else _by_definition(call, opsets)
    except Exception as error:  # numpy's and the reference evaluator's, of whatever kind
        raise ConfigError(
            f"node {node.name or node.output[0]!r} ({node.op_type}) can't be computed in integers: {first_line(error)}"
        ) from error


def _by_definition(call: Call, opsets: Mapping[str, int]) -> Sequence[Value]:
    """Outputs by ONNX's own reference implementation, of float64 numbers."""
    if call.node.op_type in RESHAPING and isinstance(moved := call.inputs[0], Quantised):
        axis = _moved_axis(moved, call)
        if axis is not None:
            (integers,) = _referenced(call, opsets, (moved.integers, *map(_real, call.inputs[1:])))
            return [replace(moved, integers=integers, axis=axis)]
    return _referenced(call, opsets, tuple(map(_real, call.inputs)))


def _moved_axis(moved: Quantised, call: Call) -> int | None:
    """Where the channels' axis goes; None where a reshaping may cut it."""
    if moved.is_per_tensor or call.node.op_type == "Identity":
        return moved.axis
    if call.node.op_type != "Transpose":
        return None
    rank = moved.integers.ndim
    return list(call.attributes.get("perm", range(rank)[::-1])).index(moved.axis % rank)


def _referenced(call: Call, opsets: Mapping[str, int], inputs: Sequence[Array | None]) -> list[Array]:
    node = call.node
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in opsets.items()]
    names = list(dict.fromkeys(name for name in node.input if name))
    function = onnx.helper.make_function("oracle", "node", names, [o for o in node.output if o], [node], imports)
    feeds = {name: value for name, value in zip(node.input, inputs, strict=True) if name}
    outputs = iter(ReferenceEvaluator(function).run(None, feeds, {}))
    return [np.asarray(next(outputs)) if name else np.zeros(0) for name in node.output]


def _real(value: Value | None) -> Array | None:
    return None if value is None else real_of(value)
