"""Transposes that meet, and those that move nothing.

1. A Transpose of a Transpose is one, or none.
2. A Transpose that leaves the order of all axes longer than 1 as it is, is a Reshape.
"""

from __future__ import annotations

import onnx_ir as ir

from rdpass.onnx.normalise.graph import attribute, made_by, remake, replace, reshaped, shape_of

OPERATORS = ("Transpose",)


def drop_transpose(node: ir.Node) -> bool:
    """Join the node with the one before it, or make a Reshape of it."""
    source, shape = node.inputs[0], shape_of(node.inputs[0])
    if source is None or shape is None:
        return False
    perm = tuple(attribute(node, "perm", range(len(shape))[::-1]))
    before = made_by(source, "Transpose")
    if before is not None and before.inputs[0] is not None:
        first = attribute(before, "perm", tuple(range(len(shape))[::-1]))
        remake(node, perm=[first[axis] for axis in perm])
        node.replace_input_with(0, before.inputs[0])
        return True
    moved = [axis for axis in perm if shape[axis] != 1]
    if moved != sorted(moved) or perm == tuple(range(len(perm))):
        return False
    target = tuple(shape[axis] for axis in perm)
    replace(node, reshaped(node, source, target))
    return True
