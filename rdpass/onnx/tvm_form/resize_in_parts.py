"""A Resize that TVM computes otherwise than ONNX defines it, one axis after the other.

    nearest: a Gather of places · linear, cubic: a product with the axis's matrix (see ``rdpass.onnx.interpolation``)

TVM takes an axis's scale to be the ratio of its extents, knows nothing of wider kernels where a map shrinks, nor of
``half_pixel_symmetric``, and resizes the axes of space alone. What is left to it gets its sizes in full.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.interpolation import Resampling, matrix_of
from rdpass.onnx.normalise.graph import attribute, computed, constant, input_of, remake, replace, shape_of
from rdpass.onnx.normalise.resize import Axis, resampling_of, resized_axes

OPERATORS = ("Resize",)
_AT_ONE = ("align_corners", "pytorch_half_pixel")


def resize_in_parts(node: ir.Node) -> bool:
    """Replace the node; False where TVM is right, or sizes are no constants."""
    axes, how, shape = resized_axes(node), resampling_of(node), shape_of(input_of(node, 0))
    if axes is None or shape is None or how.coordinates == "tf_crop_and_resize":
        return False
    if _is_tvms(axes, how, len(shape)):
        return _write_sizes(node)
    value, extents = node.inputs[0], list(shape)
    assert value is not None
    for axis in axes:
        extents[axis.index] = axis.after
        value = _resized(node, value, axis, how, tuple(extents))
    replace(node, value)
    return True


def _is_tvms(axes: tuple[Axis, ...], how: Resampling, rank: int) -> bool:
    if how.antialias or how.exclude_outside or how.coordinates == "half_pixel_symmetric":
        return False
    if rank not in (3, 4, 5) or tuple(axis.index for axis in axes) != tuple(range(2, rank)):
        return False
    if any(axis.after == 1 for axis in axes) and how.coordinates in _AT_ONE:
        return False
    return all(np.asarray(axis.scale, FLOAT32) == np.asarray(axis.after / axis.before, FLOAT32) for axis in axes)


def _write_sizes(node: ir.Node) -> bool:
    shape, policy = shape_of(node.outputs[0]), attribute(node, "keep_aspect_ratio_policy", "stretch")
    if shape is None or ("axes" not in node.attributes and policy == "stretch"):
        return False
    node.resize_inputs(4)
    for index in (1, 2):
        node.replace_input_with(index, None)
    node.replace_input_with(3, constant(node, shape, np.int64))
    remake(node, axes=None, keep_aspect_ratio_policy=None)
    return True


def _resized(node: ir.Node, value: ir.Value, axis: Axis, how: Resampling, shape: tuple[int, ...]) -> ir.Value:
    matrix = matrix_of(how, axis.before, axis.after, axis.scale, axis.roi)
    if how.mode == "nearest":
        places = constant(node, matrix.argmax(1), np.int64)
        return computed(node, "Gather", [value, places], shape, axis=axis.index)
    assert value.dtype is not None
    weights = matrix.astype(value.dtype.numpy())
    behind = len(shape) - 1 - axis.index
    if behind == 0:
        return computed(node, "MatMul", [value, constant(node, weights.T)], shape)
    if behind == 1:
        return computed(node, "MatMul", [constant(node, weights), value], shape)
    order = [*(i for i in range(len(shape)) if i != axis.index), axis.index]
    last = computed(node, "Transpose", [value], None, perm=order)
    product = computed(node, "MatMul", [last, constant(node, weights.T)], None)
    return computed(node, "Transpose", [product], shape, perm=np.argsort(order).tolist())
