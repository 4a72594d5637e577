"""Hold the indices of a Gather within its map.

TVM's importer asks for ``relax.take`` in its mode "fast", which reads whatever lies where an index out of bounds points
to, and TVM writes a warning to stderr each time that it lowers one. In the mode "clip" the nearest place is read. For
indices within bounds, all that ONNX allows, both are the same; the importer has made negative ones positive.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax
from tvm.relax.dpl import is_op, rewrite_call, wildcard


@relax.transform.function_pass(opt_level=0, name="BoundTakes")
class BoundTakes:
    """Preserves every value, as far as indices are within bounds."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        return rewrite_call(is_op("relax.take")(wildcard(), wildcard()), _bounded, function)


def _bounded(call: Any, matched: Any) -> Any:
    if not isinstance(call, relax.Call) or call.attrs.mode != "fast":  # another name of one
        return call
    axis = None if call.attrs.axis is None else int(call.attrs.axis)
    return relax.op.take(call.args[0], call.args[1], axis, mode="clip")
