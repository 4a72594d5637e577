"""How evenly a kernel's work is dealt out: what is executed in all, beside what the busiest thread executes.

Stores of vectors are counted, each with the loops around it: of a dense kernel nearly all of them are sums.
"""

from __future__ import annotations

import operator
from typing import Any

from tvm import tirx

Numbers = dict[Any, int]


def balance(function: Any, threads: int) -> float:
    """The work of all threads over ``threads`` times that of the busiest: 1 when all have the same."""
    total, longest = _count(function.body, {})
    return total / (threads * longest)


def _count(statement: Any, known: Numbers) -> tuple[float, float]:
    """Stores in all, and on the longest way through."""
    match statement:
        case tirx.For():
            return _loop(statement, known)
        case tirx.SeqStmt():
            counts = [_count(part, known) for part in _bound(statement.seq, known)]
            return sum(total for total, _ in counts), sum(longest for _, longest in counts)
        case tirx.IfThenElse():
            return _count(statement.then_case, known)
        case tirx.BufferStore():
            return 1.0, 1.0
    body = getattr(statement, "body", None)
    return (0.0, 0.0) if body is None else _count(body, known)


def _bound(statements: Any, known: Numbers) -> Any:
    """The statements, while ``known`` gets the numbers that they bind and that can be told."""
    for statement in statements:
        if isinstance(statement, tirx.Bind):
            number = _number(statement.value, known)
            if number is not None:
                known[statement.var] = number
        yield statement


def _loop(loop: Any, known: Numbers) -> tuple[float, float]:
    first, extent = _number(loop.min, known), _number(loop.extent, known)
    extent = 1 if extent is None else extent
    if loop.kind != tirx.ForKind.PARALLEL:
        total, longest = _count(loop.body, known)
        return extent * total, extent * longest
    shares = [_count(loop.body, {**known, loop.loop_var: (first or 0) + index}) for index in range(extent)]
    return sum(total for total, _ in shares), max(longest for _, longest in shares)


_OPERATIONS = {
    tirx.Add: operator.add, tirx.Sub: operator.sub, tirx.Mul: operator.mul, tirx.FloorDiv: operator.floordiv,
    tirx.FloorMod: operator.mod, tirx.Min: min, tirx.Max: max,
}  # fmt: skip


def _number(expression: Any, known: Numbers) -> int | None:
    if isinstance(expression, int | tirx.IntImm):
        return int(expression)
    operation = _OPERATIONS.get(type(expression))
    if operation is None:
        return known.get(expression) if isinstance(expression, tirx.Var) else None
    left, right = _number(expression.a, known), _number(expression.b, known)
    return None if left is None or right is None else int(operation(left, right))
