"""Say ONNX's Max, Min and Clip as ``relax.maximum`` and ``relax.minimum``.

TVM's importer spells them so that nothing recognises them:

1. Max and Min of two tensors become ``max(stack([broadcast_to(a), broadcast_to(b)]), axis=0)``: for a bound per
   channel a constant of the whole map's size, twice the map in memory, and nothing that fuses with the convolution.
2. Clip becomes calls of two lowered functions, made by ``topi.maximum`` and ``topi.minimum``: a rule that wants
   conv + bias + clip can't see them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
import tvm_ffi
from tvm import relax, topi
from tvm.relax.dpl import is_op, is_tuple, rewrite_call, wildcard

_REDUCTIONS = {"relax.max": relax.op.maximum, "relax.min": relax.op.minimum}
_FUNCTIONS = ((topi.maximum, relax.op.maximum), (topi.minimum, relax.op.minimum))


@relax.transform.function_pass(opt_level=0, name="RestoreExtrema")
class RestoreExtrema:
    """Preserves every value."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        for reduction, pairwise in _REDUCTIONS.items():
            function = _restore_stacked(function, reduction, pairwise)
        return _restore_lowered(function, module)


def _restore_stacked(function: Any, reduction: str, pairwise: Callable[[Any, Any], Any]) -> Any:
    """Case 1."""
    left, right = wildcard(), wildcard()
    widened = [is_op("relax.broadcast_to")(operand, wildcard()) for operand in (left, right)]
    stacked = is_op("relax.stack")(is_tuple(widened))

    def rewrite(call: Any, matched: Any) -> Any:
        if not (_is_over_first_axis(call) and int(matched[stacked].attrs.axis) == 0):
            return call
        return pairwise(matched[left], matched[right])

    return rewrite_call(is_op(reduction)(stacked), rewrite, function)


def _is_over_first_axis(call: Any) -> bool:
    axes = call.attrs.axis
    return axes is not None and [int(axis) for axis in axes] == [0] and not call.attrs.keepdims


def _restore_lowered(function: Any, module: tvm.IRModule) -> Any:
    """Case 2. A function is known by its body, not by its name."""
    callee, left, right = wildcard(), wildcard(), wildcard()

    def rewrite(call: Any, matched: Any) -> Any:
        operands = matched[left], matched[right]
        for make, pairwise in _FUNCTIONS:
            if tvm_ffi.structural_equal(module[matched[callee]], _lowered(make, operands)):
                return pairwise(*operands)
        return call

    return rewrite_call(is_op("relax.call_tir")(callee, is_tuple([left, right])), rewrite, function)


def _lowered(make: Callable[[Any, Any], Any], operands: tuple[Any, ...]) -> Any:
    """The function that the importer would have made of ``make`` for operands of these types."""
    builder = relax.BlockBuilder()
    parameters = [relax.Var(f"p{index}", operand.ty) for index, operand in enumerate(operands)]
    with builder.function("main", parameters):
        builder.emit_func_output(builder.emit_te(make, *parameters))
    return next(f for _, f in builder.get().functions_items() if isinstance(f, tvm.tirx.PrimFunc))
