"""A Reshape of a Reshape is one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from rdpass.onnx.normalise.graph import constant, input_of, made_by, remake, shape_of

OPERATORS = ("Reshape",)


def join_reshape(node: ir.Node) -> bool:
    """Read what is before the Reshape before the node; False where there is none, or no size is known."""
    before, shape = made_by(input_of(node, 0), "Reshape"), shape_of(node.outputs[0])
    if before is None or shape is None or 0 in shape:
        return False
    node.replace_input_with(0, before.inputs[0])
    node.replace_input_with(1, constant(node, shape, np.int64))
    remake(node, allowzero=None)
    return True
