"""Inputs of a Resize that say nothing are left out: of opset 11 they had to be there, as constants of no numbers."""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import array_of, attribute, input_of

OPERATORS = ("Resize",)
_REGION, _SCALES, _SIZES = 1, 2, 3


def drop_empty_inputs(node: ir.Node) -> bool:
    """Leave out empty scales and sizes, and a region where no mode reads it."""
    reads_region = attribute(node, "coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize"
    dropped = [index for index in (_SCALES, _SIZES) if _is_empty(input_of(node, index))]
    if input_of(node, _REGION) is not None and not reads_region:
        dropped.append(_REGION)
    for index in dropped:
        node.replace_input_with(index, None)
    return bool(dropped)


def _is_empty(value: ir.Value | None) -> bool:
    array = array_of(value)
    return array is not None and array.size == 0
