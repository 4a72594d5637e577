"""Walk a lowered function's statements and put something else in the place of its allocations."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import tvm
from tvm import tirx

Replace = Callable[[Any, bool], Any]
"""From an allocation, and whether a parallel loop holds it, to a statement."""


def replace_allocations(statement: Any, replace: Replace, in_parallel: bool = False) -> Any:
    """``statement`` with every allocation replaced. Statements that hold none (stores, bindings) end the walk."""

    def again(part: Any) -> Any:
        return replace_allocations(part, replace, in_parallel)

    match statement:
        case tirx.AllocBuffer():
            return replace(statement, in_parallel)
        case tirx.SeqStmt():
            return tirx.SeqStmt([again(part) for part in statement.seq])
        case tirx.For():
            parallel = in_parallel or int(statement.kind) == int(tirx.ForKind.PARALLEL)
            loop, body = statement, replace_allocations(statement.body, replace, parallel)
            return tirx.For(
                loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding, loop.annotations, loop.step
            )
        case tirx.While():
            return tirx.While(statement.condition, again(statement.body))
        case tirx.IfThenElse():
            otherwise = statement.else_case
            return tirx.IfThenElse(
                statement.condition, again(statement.then_case), None if otherwise is None else again(otherwise)
            )
        case tirx.AttrStmt():
            return tirx.AttrStmt(statement.node, statement.attr_key, statement.value, again(statement.body))
        case _:
            return statement


def allocated_bytes(buffer: Any) -> int | None:
    """Size of a buffer; None where it is not known when the code is built."""
    if not all(isinstance(extent, int | tirx.IntImm) for extent in buffer.shape):
        return None
    dtype = tvm.DataType(str(buffer.dtype))
    return prod(int(extent) for extent in buffer.shape) * int(dtype.bits) * int(dtype.lanes) // 8
