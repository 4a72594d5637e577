"""What rewrites read of a graph of ``onnx_ir``, and how they change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from rdpass.core.comparison import Array

_NOT_NEGATIVE = {"Relu", "Sigmoid", "HardSigmoid", "Abs", "Softplus", "Softmax"}
_KEEP_SIGN = {"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity", "Dropout", "Transpose"}
_COMPARISONS = {"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"}


def shape_of(value: ir.Value | None) -> tuple[int, ...] | None:
    """The extents, if all are known."""
    if value is None or value.shape is None or not all(isinstance(extent, int) for extent in value.shape):
        return None
    return tuple(int(extent) for extent in value.shape)  # type: ignore[arg-type]


def array_of(value: ir.Value | None) -> Array | None:
    """The numbers of a constant."""
    if value is None or value.const_value is None or value.is_graph_input():
        return None
    return np.asarray(value.const_value.numpy())


def input_of(node: ir.Node, index: int) -> ir.Value | None:
    """An input; None for one that is left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def attribute(node: ir.Node, name: str, default: Any = None) -> Any:
    """An attribute's value; texts as str, lists as tuples."""
    found = node.attributes.get(name)
    if found is None:
        return default
    return tuple(found.value) if isinstance(found.value, list | tuple) else found.value


def only_reader(value: ir.Value) -> ir.Node | None:
    """The one node that reads a value, once, which is no output of the graph."""
    uses = list(value.uses())
    return uses[0].node if len(uses) == 1 and not value.is_graph_output() else None


def made_by(value: ir.Value | None, *operators: str) -> ir.Node | None:
    """The node that computes a value, if it is one of ONNX's own ``operators``."""
    node = None if value is None else value.producer()
    return node if node is not None and node.domain in ("", "ai.onnx") and node.op_type in operators else None


def is_not_negative(value: ir.Value | None) -> bool:
    """Tell whether the operator that computes a value gives no number below zero."""
    node = None if value is None else value.producer()
    if node is None:
        return False
    if node.op_type in _KEEP_SIGN:
        return is_not_negative(node.inputs[0])
    if node.op_type == "Clip":
        low = array_of(input_of(node, 1))
        return low is not None and float(low) >= 0
    return node.op_type in _NOT_NEGATIVE


def constant(node: ir.Node, array: Any, dtype: Any = None) -> ir.Value:
    """A new initialiser of the node's graph."""
    graph = _graph(node)
    array = np.asarray(array, dtype, order="C")
    tensor = ir.tensor(array)
    name = f"normalised_{len(graph.initializers)}"
    while name in graph.initializers:
        name += "_"
    value = ir.Value(name=name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape), const_value=tensor)
    graph.register_initializer(value)
    return value


def computed(
    before: ir.Node,
    operator: str,
    inputs: Sequence[ir.Value | None],
    shape: Sequence[int] | None,
    **attributes: Any,
) -> ir.Value:
    """The result of a new node in front of ``before``; its type is its inputs', or that of booleans."""
    node = ir.node(operator, list(inputs), attributes)
    (value,) = node.outputs
    typed = next(given for given in inputs[operator == "Where" :] if given is not None)
    kind = ir.TensorType(ir.DataType.BOOL) if operator in _COMPARISONS else typed.type
    value.type, value.shape = kind, None if shape is None else ir.Shape(shape)
    _graph(before).insert_before(before, node)
    return value


def reshaped(node: ir.Node, value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """``value`` in another shape, computed before ``node``."""
    return computed(node, "Reshape", [value, constant(node, shape, np.int64)], shape)


def replace(node: ir.Node, value: ir.Value) -> None:
    """Put ``value`` in the place of the node's one result, and take the node away."""
    graph, (result,) = _graph(node), node.outputs
    if result.is_graph_output():
        _take_over_output(graph, node, result, value)
    result.replace_all_uses_with(value)
    graph.remove(node, safe=True)


def _take_over_output(graph: ir.Graph, node: ir.Node, result: ir.Value, value: ir.Value) -> None:
    """``value`` under the output's name, by an Identity where it has a name of its own that must stay."""
    name = result.name
    if value.producer() is None or value.is_graph_output():
        value = computed(node, "Identity", [value], shape_of(value))
    value.type, value.shape = result.type, result.shape
    result.name = f"{name}_before"
    value.name = name
    for index, output in enumerate(graph.outputs):
        if output is result:
            graph.outputs[index] = value


def put_behind(value: ir.Value, after: ir.Node) -> None:
    """Let every reader of ``value`` read what ``after`` makes of it, under its name where it is an output of the graph.

    The result of ``after`` gets the type and shape that ``value`` has.
    """
    node, (result,) = value.producer(), after.outputs
    assert node is not None
    graph = _graph(node)
    result.type, result.shape = value.type, value.shape
    readers = [(use.node, use.idx) for use in value.uses() if use.node is not after]
    if value.is_graph_output():
        name = value.name
        value.name, result.name = f"{name}_before", name
        for index, output in enumerate(graph.outputs):
            if output is value:
                graph.outputs[index] = result
    for reader, index in readers:
        reader.replace_input_with(index, result)
    graph.insert_after(node, after)


def remake(node: ir.Node, **attributes: Any) -> None:
    """Set attributes, or take those away that are None."""
    for name, value in attributes.items():
        if value is None:
            node.attributes.pop(name, None)
        else:
            node.attributes.add(ir.convenience.convert_attribute(name, value))


def _graph(node: ir.Node) -> ir.Graph:
    assert isinstance(node.graph, ir.Graph)
    return node.graph
