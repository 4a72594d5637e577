"""Operators that TVM has in part, written in those that it has whole.

1. Tile: a Concat of copies.
2. SpaceToDepth in the order CRD: Reshape, Transpose, Reshape.
3. Pow of integers: in float64; of floats with integers as exponents: these cast.
4. ReduceMax and ReduceMin of booleans: of integers.
5. IsInf of one sign: Equal to that infinity.
6. OneHot: Equal to the numbers of the classes.
7. Pad by what lies at the other end of the map (wrap): a Concat of slices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, computed, constant, input_of, replace, reshaped, shape_of


def write_plainly(node: ir.Node) -> bool:
    """Replace the node; False where TVM has what it does."""
    source, shape = input_of(node, 0), shape_of(input_of(node, 0))
    if source is None or source.dtype is None or shape is None or len(node.outputs) != 1:
        return False
    value = _RULES[node.op_type](node, source, shape)
    if value is None:
        return False
    value.type, value.shape = node.outputs[0].type, node.outputs[0].shape
    replace(node, value)
    return True


def _tile(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    counts = array_of(input_of(node, 1))
    if counts is None or (counts < 1).any():
        return None
    value, extents = source, list(shape)
    for axis, count in enumerate(map(int, counts)):
        extents[axis] *= count
        if count > 1:
            value = computed(node, "Concat", [value] * count, extents, axis=axis)
    return computed(node, "Identity", [value], extents) if value is source else value


def _space_to_depth(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    if attribute(node, "mode", "DCR") != "CRD":
        return None
    block, (batch, channels, height, width) = attribute(node, "blocksize"), shape
    apart = (batch, channels, height // block, block, width // block, block)
    parts = reshaped(node, source, apart)
    turned = computed(node, "Transpose", [parts], None, perm=[0, 1, 3, 5, 2, 4])
    target = (batch, channels * block**2, height // block, width // block)
    return reshaped(node, turned, target)


def _power(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    exponent = node.inputs[1]
    if source.dtype is None or exponent is None:
        return None
    if not source.dtype.is_integer():
        if exponent.dtype == source.dtype:
            return None
        return computed(node, "Pow", [source, _cast(node, exponent, int(source.dtype))], shape_of(node.outputs[0]))
    wide = [_cast(node, value, onnx.TensorProto.DOUBLE) for value in (source, exponent)]
    return _cast(node, computed(node, "Pow", wide, shape_of(node.outputs[0])), int(source.dtype))


def _boolean_extremum(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    if source.dtype != ir.DataType.BOOL:
        return None
    counted = _cast(node, source, onnx.TensorProto.INT32)
    keeps = attribute(node, "keepdims", 1)
    found = computed(node, node.op_type, [counted, *node.inputs[1:]], shape_of(node.outputs[0]), keepdims=keeps)
    return _cast(node, found, onnx.TensorProto.BOOL)


def _is_infinite(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    positive, negative = attribute(node, "detect_positive", 1), attribute(node, "detect_negative", 1)
    if bool(positive) == bool(negative) or source.dtype is None:
        return None
    infinity = constant(node, np.inf if positive else -np.inf, source.dtype.numpy())
    return computed(node, "Equal", [source, infinity], shape)


def _one_hot(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    depth, values = array_of(input_of(node, 1)), array_of(input_of(node, 2))
    after = shape_of(node.outputs[0])
    if depth is None or values is None or after is None:
        return None
    classes, axis = int(depth.reshape(-1)[0]), attribute(node, "axis", -1) % len(after)
    places = _cast(node, source, onnx.TensorProto.INT64)
    below = computed(node, "Less", [places, constant(node, 0, np.int64)], shape)
    wrapped = computed(node, "Add", [places, constant(node, classes, np.int64)], shape)
    held = computed(node, "Where", [below, wrapped, places], shape)
    apart = (*shape[:axis], 1, *shape[axis:])
    column = reshaped(node, held, apart)
    row = [1] * len(after)
    row[axis] = classes
    hot = computed(node, "Equal", [column, constant(node, np.arange(classes).reshape(row), np.int64)], after)
    off, on = values
    return computed(node, "Where", [hot, constant(node, on), constant(node, off)], after)


def _wrap(node: ir.Node, source: ir.Value, shape: tuple[int, ...]) -> ir.Value | None:
    pads, axes = array_of(input_of(node, 1)), array_of(input_of(node, 3))
    if attribute(node, "mode", "constant") != "wrap" or pads is None:
        return None
    places = range(len(shape)) if axes is None else [int(axis) % len(shape) for axis in axes]
    rows = list(zip(places, map(int, pads), map(int, pads[len(pads) // 2 :]), strict=False))
    if any(not 0 <= pad <= shape[axis] for axis, *both in rows for pad in both):
        return None
    value, extents = source, list(shape)
    for axis, begin, end in rows:
        size = extents[axis]
        parts = [_slice(node, value, extents, axis, size - begin, size)] if begin else []
        parts += [value, *([_slice(node, value, extents, axis, 0, end)] if end else [])]
        extents[axis] = begin + size + end
        value = computed(node, "Concat", parts, extents, axis=axis) if len(parts) > 1 else value
    return computed(node, "Identity", [value], extents) if value is source else value


def _slice(node: ir.Node, value: ir.Value, shape: list[int], axis: int, start: int, end: int) -> ir.Value:
    bounds = [constant(node, [number], np.int64) for number in (start, end, axis)]
    return computed(node, "Slice", [value, *bounds], [*shape[:axis], end - start, *shape[axis + 1 :]])


def _cast(node: ir.Node, value: ir.Value, kind: int) -> ir.Value:
    result = computed(node, "Cast", [value], shape_of(value), to=kind)
    result.type = ir.TensorType(ir.DataType(kind))
    return result


_RULES: Mapping[str, Callable[[ir.Node, ir.Value, tuple[int, ...]], ir.Value | None]] = {
    "Tile": _tile,
    "SpaceToDepth": _space_to_depth,
    "Pow": _power,
    "ReduceMax": _boolean_extremum,
    "ReduceMin": _boolean_extremum,
    "IsInf": _is_infinite,
    "OneHot": _one_hot,
    "Pad": _wrap,
}
OPERATORS = tuple(_RULES)
