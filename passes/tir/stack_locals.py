"""Keep small local arrays on the stack, where LLVM can turn them into registers.

TVM's ``LowerTVMBuiltin`` makes a call of the workspace allocator out of every local array, be it of 64 bytes, and then
LLVM has to store accumulators in the hot loop. The annotation that prevents it is dropped by ``StorageRewrite``, so
this runs right before ``LowerTVMBuiltin``. Preserves every value.
"""

from __future__ import annotations

from math import prod
from typing import Any

import tvm
from tvm import tirx

LIMIT = 4096
"""Bytes up to which an array is kept on the stack."""

_ON_STACK = "disable_lower_builtin"


@tirx.transform.prim_func_pass(opt_level=0, name="StackLocals")
class StackLocals:
    """Arrays of at most ``LIMIT`` bytes are allocated on the stack."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        return function.with_body(_marked(function.body))


def _marked(statement: Any) -> Any:
    """``statement`` with small allocations marked. Statements that hold none (stores, bindings) end the walk."""
    match statement:
        case tirx.AllocBuffer():
            small = _bytes(statement.buffer) <= LIMIT
            return tirx.AllocBuffer(statement.buffer, {_ON_STACK: tirx.const(True, "bool")}) if small else statement
        case tirx.SeqStmt():
            return tirx.SeqStmt([_marked(part) for part in statement.seq])
        case tirx.For():
            loop = statement
            return tirx.For(
                loop.loop_var, loop.min, loop.extent, loop.kind, _marked(loop.body),
                loop.thread_binding, loop.annotations, loop.step,
            )  # fmt: skip
        case tirx.While():
            return tirx.While(statement.condition, _marked(statement.body))
        case tirx.IfThenElse():
            otherwise = statement.else_case
            return tirx.IfThenElse(
                statement.condition, _marked(statement.then_case), None if otherwise is None else _marked(otherwise)
            )
        case tirx.AttrStmt():
            return tirx.AttrStmt(statement.node, statement.attr_key, statement.value, _marked(statement.body))
        case _:
            return statement


def _bytes(buffer: Any) -> int:
    """Size of a buffer; what is not known when the code is built counts as too large."""
    if not all(isinstance(extent, int | tirx.IntImm) for extent in buffer.shape):
        return LIMIT + 1
    dtype = tvm.DataType(str(buffer.dtype))
    return prod(int(extent) for extent in buffer.shape) * int(dtype.bits) * int(dtype.lanes) // 8
