"""What depends on no input is computed: shapes, sums of constants, branches of an If on a constant.

onnxscript folds; here is said what it is to leave. Quantised weights stay behind their DequantizeLinear, for kernels
that take them so.
"""

from __future__ import annotations

import logging
from math import prod
from typing import Any

import numpy as np
import onnx_ir as ir
from onnx_ir.passes import common
from onnxscript import optimizer

from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.normalise.graph import array_of, attribute, input_of, remake

log = logging.getLogger(__name__)

_KEPT = {"DequantizeLinear", "QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul"}
_MOST_INPUT = 1 << 28
_MOST_OUTPUT = 1 << 22


def fold_constants(model: ir.Model) -> bool:
    """In place; tell whether anything was folded.

    The shapes of all values are known afterwards as far as ONNX's inference knows them.
    """
    modified = False
    try:
        modified = optimizer.fold_constants(
            model,
            onnx_shape_inference=True,
            input_size_limit=_MOST_INPUT,
            output_size_limit=_MOST_OUTPUT,
            should_fold=_folds,
        ).modified
    except Exception as error:  # its evaluator raises what numpy does; what is left unfolded is refused by readers
        log.debug("constants stay: %s", error)
    lifted = common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model).modified
    for node in model.graph:
        _write_tensor(node)
    unused = common.RemoveUnusedNodesPass()(model).modified
    return bool(modified or lifted or unused)


def _write_tensor(node: ir.Node) -> None:
    """A Constant that stays, as an output of the graph, has its numbers as a tensor."""
    kinds: dict[str, Any] = {
        "value_int": np.int64,
        "value_ints": np.int64,
        "value_float": FLOAT32,
        "value_floats": FLOAT32,
    }
    for name, kind in kinds.items():
        if node.op_type == "Constant" and name in node.attributes:
            numbers = np.asarray(attribute(node, name), kind)
            remake(node, **{name: None})
            node.attributes.add(ir.AttrTensor("value", ir.tensor(numbers)))


def _folds(node: ir.Node) -> bool | None:
    if node.op_type in _KEPT:
        return False
    if node.op_type == "ConstantOfShape":
        extents = array_of(input_of(node, 0))
        return extents is not None and prod(int(extent) for extent in extents) <= _MOST_OUTPUT
    return None
