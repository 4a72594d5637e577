"""Give constants their shapes and order of axes at once.

TVM folds a constant's ``reshape`` or ``permute_dims`` by compiling a function for it, some 40 ms each: two seconds of a
ResNet-50, whose importer reshapes every bias. NumPy moves the same numbers in microseconds. What is left, TVM folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.dpl import is_const, is_op, rewrite_call, wildcard

from rdpass.core.comparison import Array
from rdpass.passes.lowering.dataflow import array_of, shape_of


@relax.transform.function_pass(opt_level=0, name="ReshapeConstants")
class ReshapeConstants:
    """Preserves every value."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        function = rewrite_call(is_op("relax.reshape")(is_const(), wildcard()), _reshaped, function)
        return rewrite_call(is_op("relax.permute_dims")(is_const()), _permuted, function)


def _reshaped(call: Any, matched: Any) -> Any:
    array, shape = _operand(call), shape_of(call)
    return call if array is None or shape is None else relax.const(array.reshape(shape))


def _permuted(call: Any, matched: Any) -> Any:
    array = _operand(call)
    if array is None or shape_of(call) is None:
        return call
    axes = None if call.attrs.axes is None else [int(axis) for axis in call.attrs.axes]
    return relax.const(np.ascontiguousarray(array.transpose(axes)))


def _operand(call: Any) -> Array | None:
    """The numbers that are moved; None for another name of such a call, and of a constant."""
    return array_of(call.args[0]) if isinstance(call, relax.Call) else None
