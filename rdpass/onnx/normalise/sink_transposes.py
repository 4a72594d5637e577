"""Transposes to channels-last (N, H, W, C) moved behind the nodes that read them, until they meet those that undo them.

Files from Keras and TFLite compute in channels-last, with a Transpose on both sides of every convolution. A node that
reads such transposed maps reads the maps themselves, its axes renumbered, and its result is transposed in its place:

    f(T(x), T(y))  =  T(f'(x, y))

1. Element by element: f' = f. Constants, and maps of one pixel, are transposed on the spot.
2. Concat, Split, Softmax, reductions, Pad, Slice, Resize: axes renumbered.
3. A reduction over all pixels that drops their axes: what is left has nothing to transpose.
4. MatMul with constant weights (C, K): a 1x1 convolution.
5. A flattening before MatMul or Gemm with constant weights: the weights' rows in the map's own order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import (
    array_of,
    attribute,
    computed,
    constant,
    input_of,
    made_by,
    only_reader,
    put_behind,
    remake,
    reshaped,
    shape_of,
)

UNARY = {
    "Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "Elu", "Selu", "Celu", "HardSigmoid", "HardSwish", "Softplus",
    "Softsign", "Gelu", "Mish", "Erf", "Exp", "Log", "Sqrt", "Abs", "Neg", "Floor", "Ceil", "Round", "Reciprocal",
    "Sign", "Cast", "ThresholdedRelu", "Sin", "Cos", "Not",
}  # fmt: skip
MANY = {
    "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Sum", "Mean", "PRelu", "Where", "Greater", "Less",
    "GreaterOrEqual", "LessOrEqual", "Equal", "And", "Or",
}  # fmt: skip
REDUCTIONS = {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
               "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp"}  # fmt: skip
_AXIS = {"Softmax", "LogSoftmax", "ArgMax", "ArgMin", "Concat", "Split"}

OPERATORS = tuple(
    sorted(UNARY | MANY | REDUCTIONS | _AXIS | {"Pad", "Slice", "Resize", "MatMul", "Reshape", "Flatten"})
)
Perm = tuple[int, ...]


def sink_transposes(node: ir.Node) -> bool:
    """Let ``node`` read what is in front of the transposes; False where one of its inputs does not allow it."""
    perm = next((found for value in node.inputs if (found := _to_channels_last(value)) is not None), None)
    if perm is None or (len(node.outputs) > 1 and node.op_type != "Split"):
        return False
    if node.op_type in UNARY:
        return _sink_first(node, perm)
    if node.op_type in MANY or node.op_type == "Concat":
        return _sink_all(node, perm)
    rule = _RULES.get(node.op_type)
    return rule is not None and _to_channels_last(node.inputs[0]) == perm and rule(node, perm)


def _to_channels_last(value: ir.Value | None) -> Perm | None:
    """The permutation of the Transpose that a value comes from, if it moves the channels behind all else."""
    node = made_by(value, "Transpose")
    perm = None if node is None else tuple(attribute(node, "perm", ()))
    if not perm or len(perm) < 3 or perm != (0, *range(2, len(perm)), 1):
        return None
    return perm if shape_of(node.inputs[0]) is not None else None  # type: ignore[union-attr]


def _source(value: ir.Value) -> ir.Value:
    producer = value.producer()
    source = None if producer is None else producer.inputs[0]
    assert source is not None
    return source


def _inverse(perm: Perm) -> Perm:
    return tuple(int(axis) for axis in np.argsort(perm))


def _sink_first(node: ir.Node, perm: Perm) -> bool:
    value = node.inputs[0]
    if value is None or _to_channels_last(value) != perm:
        return False
    node.replace_input_with(0, _source(value))
    _transpose_results(node, perm)
    return True


def _sink_all(node: ir.Node, perm: Perm) -> bool:
    ways = [_way(node, value, perm) for value in node.inputs]
    if not all(ways):
        return False
    for index, way in enumerate(ways):
        assert way is not None
        node.replace_input_with(index, way())
    if node.op_type == "Concat":
        remake(node, axis=perm[attribute(node, "axis") % len(perm)])
    _transpose_results(node, perm)
    return True


def _way(node: ir.Node, value: ir.Value | None, perm: Perm) -> Callable[[], ir.Value] | None:
    """What gives ``value`` in the order in front of the transposes; None where nothing simple does."""
    if value is None:
        return None
    if _to_channels_last(value) == perm:
        return lambda: _source(value)
    shape, array = shape_of(value), array_of(value)
    if shape is None or len(shape) > len(perm):
        return None
    if prod(shape) == 1 and node.op_type != "Concat":
        return lambda: value
    whole = (1,) * (len(perm) - len(shape)) + shape
    if array is not None:
        return lambda: constant(node, array.reshape(whole).transpose(_inverse(perm)))
    moved = tuple(whole[axis] for axis in _inverse(perm))
    if _order_of_many(whole, range(len(perm))) == _order_of_many(whole, _inverse(perm)):
        return lambda: reshaped(node, value, moved)
    return None


def _order_of_many(shape: tuple[int, ...], axes: Any) -> list[int]:
    return [axis for axis in axes if shape[axis] != 1]


def _transpose_results(node: ir.Node, perm: Perm) -> None:
    """Every reader of the node's results reads their transposes; an output of the graph is the transpose."""
    for result in node.outputs:
        shape = shape_of(result)
        after = ir.node("Transpose", [result], {"perm": list(perm)})
        put_behind(result, after)
        result.shape = None if shape is None else ir.Shape([shape[axis] for axis in _inverse(perm)])


def _sink_axis(node: ir.Node, perm: Perm) -> bool:
    """Softmax and the like along one axis; with its axis dropped, ArgMax leaves another order: not sunk."""
    if node.op_type in ("ArgMax", "ArgMin") and not attribute(node, "keepdims", 1):
        return False
    default = -1 if "Softmax" in node.op_type else 0
    axis = perm[attribute(node, "axis", default) % len(perm)]
    _sink_first(node, perm)
    remake(node, axis=axis)
    return True


def _sink_reduction(node: ir.Node, perm: Perm) -> bool:
    given = array_of(input_of(node, 1)) if input_of(node, 1) is not None else attribute(node, "axes")
    if given is None:
        return False
    axes = sorted(perm[int(axis) % len(perm)] for axis in np.asarray(given).reshape(-1))
    keeps = bool(attribute(node, "keepdims", 1))
    left = [axis for axis in perm if axis not in axes]
    if not keeps and left != sorted(left):
        return False
    result_shape = node.outputs[0].shape
    if "axes" in node.attributes:
        remake(node, axes=axes)
    else:
        node.replace_input_with(1, constant(node, axes, np.int64))
    if keeps:
        return _sink_first(node, perm)
    node.replace_input_with(0, _source(node.inputs[0]))  # type: ignore[arg-type]
    node.outputs[0].shape = result_shape
    return True


def _sink_pad(node: ir.Node, perm: Perm) -> bool:
    amounts = array_of(input_of(node, 1))
    if amounts is None or input_of(node, 3) is not None:
        return False
    inverse = list(_inverse(perm))
    moved = np.concatenate([half[inverse] for half in amounts.reshape(2, -1)])
    node.replace_input_with(1, constant(node, moved, np.int64))
    return _sink_first(node, perm)


def _sink_slice(node: ir.Node, perm: Perm) -> bool:
    starts, axes = array_of(input_of(node, 1)), array_of(input_of(node, 3))
    if starts is None or (axes is None and input_of(node, 3) is not None):
        return False
    axes = np.arange(starts.size) if axes is None else axes
    moved = constant(node, [perm[int(axis) % len(perm)] for axis in axes], np.int64)
    if len(node.inputs) < 4:
        node.resize_inputs(4)
    node.replace_input_with(3, moved)
    return _sink_first(node, perm)


def _sink_resize(node: ir.Node, perm: Perm) -> bool:
    if attribute(node, "axes") is not None or input_of(node, 1) is not None:
        return False
    arrays = {index: array_of(input_of(node, index)) for index in (2, 3) if input_of(node, index) is not None}
    if any(array is None for array in arrays.values()):
        return False
    for index, array in arrays.items():
        if array is not None and array.size == len(perm):
            node.replace_input_with(index, constant(node, array[list(_inverse(perm))]))
    return _sink_first(node, perm)


def _make_convolution(node: ir.Node, perm: Perm) -> bool:
    """Case 4."""
    weights = array_of(input_of(node, 1))
    if weights is None or weights.ndim != 2:
        return False
    ones = (1,) * (len(perm) - 2)
    kernel = constant(node, weights.T.reshape(*weights.T.shape, *ones))
    source = _source(node.inputs[0])  # type: ignore[arg-type]
    before = shape_of(source)
    assert before is not None
    shape = (before[0], weights.shape[1], *before[2:])
    product = computed(node, "Conv", [source, kernel], shape, kernel_shape=list(ones))
    node.op_type = "Transpose"
    node.resize_inputs(1)
    node.replace_input_with(0, product)
    remake(node, perm=list(perm))
    return True


def _reorder_flattened(node: ir.Node, perm: Perm) -> bool:
    """Case 5: ``node`` makes (N, H * W * C) of a map."""
    source, flat = _source(node.inputs[0]), shape_of(node.outputs[0])  # type: ignore[arg-type]
    shape, dense = shape_of(source), only_reader(node.outputs[0])
    if dense is None or flat is None or shape is None or flat != (shape[0], prod(shape[1:])):
        return False
    weights = array_of(input_of(dense, 1))
    turned = dense.op_type == "Gemm" and bool(attribute(dense, "transB", 0))
    if (
        dense.op_type not in ("Gemm", "MatMul")
        or dense.inputs[0] is not node.outputs[0]
        or attribute(dense, "transA", 0)
    ):
        return False
    if weights is None or weights.ndim != 2:
        return False
    rows = weights.T if turned else weights
    last = tuple(shape[axis] for axis in perm[1:])
    order = np.arange(prod(shape[1:])).reshape(last)
    own = order.transpose([axis - 1 for axis in _inverse(perm)[1:]]).reshape(-1)
    moved = rows[own].T if turned else rows[own]
    dense.replace_input_with(1, constant(dense, moved))
    node.replace_input_with(0, source)
    return True


_RULES: dict[str, Callable[[ir.Node, Perm], bool]] = {
    **dict.fromkeys(REDUCTIONS, _sink_reduction),
    **dict.fromkeys(_AXIS, _sink_axis),
    "Pad": _sink_pad,
    "Slice": _sink_slice,
    "Resize": _sink_resize,
    "MatMul": _make_convolution,
    "Reshape": _reorder_flattened,
    "Flatten": _reorder_flattened,
}
