"""Maps of one dimension (N, C, T) as maps of one row (N, C, 1, T), which kernels of two dimensions compute.

    conv1d(x, w)  =  view(conv2d(row(x), row(w)))        row: an axis of one before the last;  view: without it

Both are the same memory. A node that reads a view reads the row itself, and its result is viewed in its place, until
all that is left are views that nobody reads, and those at the ends:

    f(view(x), view(y))  =  view(f'(x, y))

1. Convolutions, pools and batch norms over T begin it: kernels, strides and dilations get an extent of one, pads none.
2. Element by element: f' = f. Other maps become rows as well; constants get the axis.
3. Concat, Split, Softmax, reductions, Pad, Slice, Resize, quantisation per channel: axes renumbered. Quantisation
   before such a node goes along, so that kernels find it there.
4. Other views of it (Reshape, Flatten, Squeeze, Unsqueeze) are views of the row.

Nodes are to be met in topological order. Files that call a convolution of two dimensions between an Unsqueeze and a
Squeeze, as exporters for Keras write Conv1D, come out alike.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import (
    array_of,
    attribute,
    constant,
    input_of,
    made_by,
    put_behind,
    remake,
    replace,
    reshaped,
    shape_of,
)
from rdpass.onnx.normalise.sink_transposes import MANY, REDUCTIONS, UNARY

_KERNELS = {"Conv", "ConvTranspose", "MaxPool", "AveragePool"}
_STARTS = _KERNELS | {"GlobalAveragePool", "GlobalMaxPool", "BatchNormalization"}
_QUANTISATION = ("QuantizeLinear", "DequantizeLinear")
_VIEWS = {"Reshape", "Flatten", "Squeeze", "Unsqueeze"}
_AXIS = {"Softmax": -1, "LogSoftmax": -1, "Concat": 0, "Split": 0, "QuantizeLinear": 1, "DequantizeLinear": 1}
"""The default of ``axis``."""
_IN_ROWS_ALIKE = {"half_pixel", "asymmetric"}
"""The coordinates at which Resize leaves an axis of one as it is, by TVM as well."""


def lift_rows(node: ir.Node) -> bool:
    """Let the node compute in rows; False where it begins none and reads none, or can't."""
    if len(node.outputs) > 1 and node.op_type != "Split":
        return False
    if node.op_type in _STARTS:
        return _begin(node)
    if not any(_row_behind(value) is not None for value in node.inputs):
        return False
    if node.op_type in UNARY:
        return _lift(node, range(1))
    if node.op_type in MANY or node.op_type == "Concat":
        return _lift(node, range(len(node.inputs)), axis=_axis_in_rows(node))
    rule = _RULES.get(node.op_type)
    return rule is not None and _row_behind(node.inputs[0]) is not None and rule(node)


def _row_behind(value: ir.Value | None) -> ir.Value | None:
    """The row (N, C, 1, T) that a value (N, C, T) views."""
    view = made_by(value, *_VIEWS)
    source = None if view is None else view.inputs[0]
    before, after = shape_of(source), shape_of(value)
    if before is None or after is None or len(after) != 3 or before != _row_shape(after):
        return None
    return source


def _row_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in rows of what is broadcast to (N, C, T)."""
    whole = (1,) * (3 - len(shape)) + shape
    return (*whole[:2], 1, whole[2])


def _in_rows(node: ir.Node, value: ir.Value) -> ir.Value | None:
    """``value`` as an operand of ``node`` in rows; None where its shape is not known."""
    shape = shape_of(value)
    if shape is None or len(shape) > 3:
        return None
    if not shape or shape == (1,):
        return value
    row, array, quantised = _row_behind(value), array_of(value), made_by(value, *_QUANTISATION)
    if row is not None:
        return row
    if quantised is not None and _lift_quantisation(quantised):
        return value
    if array is not None:
        return constant(node, array.reshape(_row_shape(shape)))
    return _viewed(node, value, _row_shape(shape))


def _viewed(node: ir.Node, value: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """``value`` in another shape; one view serves all that read it so."""
    for reader, _ in value.uses():
        if made_by(reader.outputs[0], "Reshape") and shape_of(reader.outputs[0]) == shape:
            return reader.outputs[0]
    return reshaped(node, value, shape)


def _lift(node: ir.Node, operands: range, **attributes: object) -> bool:
    """Give ``node`` its ``operands`` in rows, and its readers views of its results."""
    known = [shape_of(value) for value in (*(node.inputs[index] for index in operands), *node.outputs)]
    if any(shape is None or len(shape) > 3 for shape in known) or len(known[-1] or ()) != 3:
        return False
    for index in operands:
        value = node.inputs[index]
        assert value is not None
        node.replace_input_with(index, _in_rows(node, value))
    remake(node, **attributes)
    _view_results(node)
    return True


def _view_results(node: ir.Node) -> None:
    for result in node.outputs:
        shape = shape_of(result)
        assert shape is not None
        after = ir.node("Reshape", [result, constant(node, shape, np.int64)])
        put_behind(result, after)
        result.shape = ir.Shape(_row_shape(shape))


# 1. Over T


def _begin(node: ir.Node) -> bool:
    if len(shape_of(node.inputs[0]) or ()) != 3 or len(shape_of(node.outputs[0]) or ()) != 3:
        return False
    if node.op_type not in _KERNELS:
        return _lift(node, range(1))
    for name, alone in (("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("output_padding", 0)):
        given = attribute(node, name)
        if given is not None:
            remake(node, **{name: [alone, *given]})
    before, after = attribute(node, "pads", (0, 0))
    return _lift(node, range(2 if "Conv" in node.op_type else 1), pads=[0, before, 0, after])


# 3. Along axes


def _axis_in_rows(node: ir.Node) -> int | None:
    """The number of the axis that the node names; None for nodes that name none."""
    default = _AXIS.get(node.op_type)
    return None if default is None else _moved(attribute(node, "axis", default))


def _moved(axis: int) -> int:
    return (0, 1, 3)[axis % 3]


def _lift_along(node: ir.Node) -> bool:
    return _lift(node, range(1), axis=_axis_in_rows(node))


def _lift_quantisation(node: ir.Node) -> bool:
    scale = shape_of(input_of(node, 1))
    if attribute(node, "block_size", 0) or scale is None or len(scale) > 1:
        return False
    return _lift(node, range(1), axis=None if scale in ((), (1,)) else _axis_in_rows(node))


def _lift_reduction(node: ir.Node) -> bool:
    """With T its axis of one goes too; where axes are dropped, that one always does."""
    given = array_of(input_of(node, 1)) if input_of(node, 1) is not None else attribute(node, "axes")
    if given is None or not np.size(given):
        return False
    axes = {_moved(int(axis)) for axis in np.asarray(given).reshape(-1)}
    keeps = bool(attribute(node, "keepdims", 1))
    row = _row_behind(node.inputs[0])
    axes |= {2} if not keeps or 3 in axes else set()
    if "axes" in node.attributes:
        remake(node, axes=sorted(axes))
    else:
        node.replace_input_with(1, constant(node, sorted(axes), np.int64))
    if keeps:
        return _lift(node, range(1))
    node.replace_input_with(0, row)
    return True


def _lift_pad(node: ir.Node) -> bool:
    amounts, axes = array_of(input_of(node, 1)), array_of(input_of(node, 3))
    if amounts is None or (axes is None and input_of(node, 3) is not None):
        return False
    places = range(3) if axes is None else [int(axis) for axis in axes]
    whole = np.zeros((2, 4), np.int64)
    whole[:, [_moved(axis) for axis in places]] = amounts.reshape(2, -1)
    node.replace_input_with(1, constant(node, whole.reshape(-1)))
    node.resize_inputs(min(len(node.inputs), 3))
    return _lift(node, range(1))


def _lift_slice(node: ir.Node) -> bool:
    starts, axes = array_of(input_of(node, 1)), array_of(input_of(node, 3))
    if starts is None or (axes is None and input_of(node, 3) is not None):
        return False
    places = range(starts.size) if axes is None else axes
    if len(node.inputs) < 4:
        node.resize_inputs(4)
    node.replace_input_with(3, constant(node, [_moved(int(axis)) for axis in places], np.int64))
    return _lift(node, range(1))


def _lift_resize(node: ir.Node) -> bool:
    held = {index: array_of(input_of(node, index)) for index in (2, 3) if input_of(node, index) is not None}
    coordinates = attribute(node, "coordinate_transformation_mode", "half_pixel")
    plain = attribute(node, "axes") is None and input_of(node, 1) is None and coordinates in _IN_ROWS_ALIKE
    if not plain or any(array is None or array.size != 3 for array in held.values()):
        return False
    for index, array in held.items():
        assert array is not None
        node.replace_input_with(index, constant(node, np.insert(array, 2, 1)))
    return _lift(node, range(1))


# 4. Other views


def _view_row(node: ir.Node) -> bool:
    shape, row = shape_of(node.outputs[0]), _row_behind(node.inputs[0])
    if shape is None or row is None or 0 in shape:
        return False
    replace(node, row if shape == shape_of(row) else _viewed(node, row, shape))
    return True


_RULES: dict[str, Callable[[ir.Node], bool]] = {
    **dict.fromkeys(("Softmax", "LogSoftmax", "Split"), _lift_along),
    **dict.fromkeys(_QUANTISATION, _lift_quantisation),
    **dict.fromkeys(REDUCTIONS, _lift_reduction),
    **dict.fromkeys(_VIEWS, _view_row),
    "Pad": _lift_pad,
    "Slice": _lift_slice,
    "Resize": _lift_resize,
}
OPERATORS = tuple(sorted(_STARTS | UNARY | MANY | {"Concat", *_RULES}))
