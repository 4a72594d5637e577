"""Keep small local arrays on the stack, where LLVM can turn them into registers.

TVM's ``LowerTVMBuiltin`` makes a call of the workspace allocator out of every local array, be it of 64 bytes, and then
LLVM has to store accumulators in the hot loop. The annotation that prevents it is dropped by ``StorageRewrite``, so
this runs right before ``LowerTVMBuiltin``. Preserves every value.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import tirx

from rdpass.passes.tir.allocations import allocated_bytes, replace_allocations

LIMIT = 4096
"""Bytes up to which an array is kept on the stack."""

_ON_STACK = "disable_lower_builtin"


@tirx.transform.prim_func_pass(opt_level=0, name="StackLocals")
class StackLocals:
    """Arrays of at most ``LIMIT`` bytes are allocated on the stack."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        return function.with_body(replace_allocations(function.body, _marked))


def fits_stack(buffer: Any) -> bool:
    """Tell whether an array is kept on the stack; one of unknown size is not."""
    size = allocated_bytes(buffer)
    return size is not None and size <= LIMIT


def _marked(allocation: Any, in_parallel: bool) -> Any:
    if not fits_stack(allocation.buffer):
        return allocation
    return tirx.AllocBuffer(allocation.buffer, {_ON_STACK: tirx.const(True, "bool")})
