"""What is known of a function's variables and arrays: whole numbers that loops' variables make, and registers.

A whole number is a function of the values that loops' variables have, together with which of them it asks for. What
can't be known is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tvm
from tvm import tirx

Values = Mapping[Any, int]
Number = Callable[[Values], int]


class Scope:
    """``numbers``: what variables bound to whole numbers are, and the loops' variables in them. ``registers``: the
    local arrays.
    """

    def __init__(self) -> None:
        self.numbers: dict[Any, tuple[Number, frozenset[Any]]] = {}
        self.registers: set[Any] = set()

    def step(self, buffer: Any, indices: Sequence[Any], loop: Any) -> int | None:
        """Numbers from what one turn of a loop touches to what the next does; None where that is not known."""
        if loop is None:
            return None
        step, stride = 0, 1
        for index, extent in zip(reversed(indices), reversed(buffer.shape), strict=True):
            first = index.base if isinstance(index, tirx.Ramp) else index
            value, _ = self.number(first)
            step += (value({loop: 1}) - value({loop: 0})) * stride
            stride *= self.number(extent)[0]({})
        return step

    def number(self, expression: Any) -> tuple[Number, frozenset[Any]]:
        """A whole number or a truth as a function of loops' variables, and which."""
        match expression:
            case int():
                return _constant(expression)
            case tirx.IntImm():
                return _constant(int(expression.value))
            case tirx.Cast():
                return self.number(expression.value)
            case tirx.Not():
                value, needs = self.number(expression.a)
                return (lambda values: not value(values)), needs
            case tirx.Var():
                return self.numbers.get(expression, (lambda values: values.get(expression, 0), frozenset({expression})))
            case tirx.Select():
                condition, then, otherwise = map(
                    self.number, (expression.condition, expression.true_value, expression.false_value)
                )
                chosen: Number = lambda values: (then if condition[0](values) else otherwise)[0](values)  # noqa: E731
                return chosen, condition[1] | then[1] | otherwise[1]
            case _ if type(expression) in _OPERATIONS:
                (left, left_needs), (right, right_needs) = self.number(expression.a), self.number(expression.b)
                operation = _OPERATIONS[type(expression)]
                return (lambda values: operation(left(values), right(values))), left_needs | right_needs
            case _:
                return _constant(1)


def _constant(value: int) -> tuple[Number, frozenset[Any]]:
    return (lambda values: value), frozenset()


_OPERATIONS: Mapping[type, Callable[[int, int], int]] = {
    tirx.Add: lambda a, b: a + b,
    tirx.Sub: lambda a, b: a - b,
    tirx.Mul: lambda a, b: a * b,
    tirx.FloorDiv: lambda a, b: a // b if b else 0,
    tirx.FloorMod: lambda a, b: a % b if b else 0,
    tirx.Min: min,
    tirx.Max: max,
    tirx.LT: lambda a, b: a < b,
    tirx.LE: lambda a, b: a <= b,
    tirx.GT: lambda a, b: a > b,
    tirx.GE: lambda a, b: a >= b,
    tirx.EQ: lambda a, b: a == b,
    tirx.NE: lambda a, b: a != b,
    tirx.And: lambda a, b: bool(a) and bool(b),
    tirx.Or: lambda a, b: bool(a) or bool(b),
}


def is_address(expression: Any) -> bool:
    """Tell whether it is a whole number made of loops' variables and constants."""
    if isinstance(expression, tirx.Cast):
        return _is_whole(expression) and is_address(expression.value)
    if isinstance(expression, tirx.Var | tirx.IntImm):
        return _is_whole(expression)
    return type(expression) in _OPERATIONS and is_address(expression.a) and is_address(expression.b)


def _is_whole(expression: Any) -> bool:
    """Tell whether it is one whole number or truth, as addresses are made of."""
    kind = tvm.DataType(str(expression.ty.dtype))
    return int(kind.lanes) == 1 and not str(kind).startswith(("float", "bfloat", "handle"))
