"""What is known of a function's variables and arrays: whole numbers that loops' variables make, and registers.

A whole number is a function of the values that loops' variables have, together with which of them it asks for. What
can't be known is 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import prod
from typing import Any

import tvm
from tvm import tirx

Values = Mapping[Any, int]
Number = Callable[[Values], int]


class Scope:
    """``numbers``: what variables bound to whole numbers are, and the loops' variables in them. ``registers``: the
    local arrays. ``strides``: those of arrays that were asked for.
    """

    def __init__(self) -> None:
        self.numbers: dict[Any, tuple[Number, frozenset[Any]]] = {}
        self.registers: set[Any] = set()
        self.strides: dict[Any, Sequence[int]] = {}

    def step(self, buffer: Any, indices: Sequence[Any], loop: Any) -> int | None:
        """Numbers from what one turn of a loop touches to what the next does; None where that is not known."""
        if loop is None:
            return None
        step = 0
        for index, stride in zip(indices, self._strides_of(buffer), strict=True):
            value, needs = self.number(index.base if type(index) is tirx.Ramp else index)
            if loop in needs:
                step += (value({loop: 1}) - value({loop: 0})) * stride
        return step

    def _strides_of(self, buffer: Any) -> Sequence[int]:
        """Numbers from one index to the next, of each axis."""
        if buffer not in self.strides:
            extents = [self.number(extent)[0]({}) for extent in buffer.shape]
            self.strides[buffer] = [prod(extents[axis + 1 :]) for axis in range(len(extents))]
        return self.strides[buffer]

    def number(self, expression: Any) -> tuple[Number, frozenset[Any]]:
        """A whole number or a truth as a function of loops' variables, and which."""
        kind = type(expression)
        if kind in _OPERATIONS:
            (left, left_needs), (right, right_needs) = self.number(expression.a), self.number(expression.b)
            operation = _OPERATIONS[kind]
            return (lambda values: operation(left(values), right(values))), left_needs | right_needs
        return _NUMBERS.get(kind, Scope._unknown)(self, expression)

    def _whole(self, number: int) -> tuple[Number, frozenset[Any]]:
        return _constant(number)

    def _literal(self, number: Any) -> tuple[Number, frozenset[Any]]:
        return _constant(int(number.value))

    def _cast(self, cast: Any) -> tuple[Number, frozenset[Any]]:
        return self.number(cast.value)

    def _not(self, negation: Any) -> tuple[Number, frozenset[Any]]:
        value, needs = self.number(negation.a)
        return (lambda values: not value(values)), needs

    def _variable(self, variable: Any) -> tuple[Number, frozenset[Any]]:
        known = self.numbers.get(variable)
        return known or ((lambda values: values.get(variable, 0)), frozenset({variable}))

    def _select(self, select: Any) -> tuple[Number, frozenset[Any]]:
        condition, then, otherwise = map(self.number, (select.condition, select.true_value, select.false_value))
        chosen: Number = lambda values: (then if condition[0](values) else otherwise)[0](values)  # noqa: E731
        return chosen, condition[1] | then[1] | otherwise[1]

    def _unknown(self, expression: Any) -> tuple[Number, frozenset[Any]]:
        return _constant(1)


_NUMBERS: Mapping[type, Callable[[Scope, Any], tuple[Number, frozenset[Any]]]] = {
    int: Scope._whole,
    tirx.IntImm: Scope._literal,
    tirx.Cast: Scope._cast,
    tirx.Not: Scope._not,
    tirx.Var: Scope._variable,
    tirx.Select: Scope._select,
}
"""How each other kind of expression is read: to look up a class is faster than to ask for instances."""


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
    kind = type(expression)
    if kind is tirx.Cast:
        return _is_whole(str(expression.ty.dtype)) and is_address(expression.value)
    if kind is tirx.Var or kind is tirx.IntImm:
        return _is_whole(str(expression.ty.dtype))
    return kind in _OPERATIONS and is_address(expression.a) and is_address(expression.b)


@cache
def _is_whole(name: str) -> bool:
    """Tell whether a type is of one whole number or truth, as addresses are made of."""
    return int(tvm.DataType(name).lanes) == 1 and not name.startswith(("float", "bfloat", "handle"))
