"""Say ONNX's Max and Min of two tensors as ``relax.maximum`` and ``relax.minimum``.

TVM's importer says ``max(stack([broadcast_to(a), broadcast_to(b)]), axis=0)``: for a bound per channel, a constant of
the whole map's size and twice the map in memory, and nothing that fuses into the convolution before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tvm
from tvm import relax
from tvm.relax.dpl import is_op, is_tuple, rewrite_call, wildcard

_PAIRWISE = {"relax.max": relax.op.maximum, "relax.min": relax.op.minimum}


@relax.transform.function_pass(opt_level=0, name="RestoreExtrema")
class RestoreExtrema:
    """Preserves every value."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        for reduction, pairwise in _PAIRWISE.items():
            function = _restore(function, reduction, pairwise)
        return function


def _restore(function: Any, reduction: str, pairwise: Callable[[Any, Any], Any]) -> Any:
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
