"""The logistic function of a vector: 1 / (1 + exp(-x)), in a dozen multiply-adds and one division, no library called.

exp(y) = 2^n exp(r), n the integer nearest to y / log 2, so that |r| <= log(2) / 2, where Taylor's polynomial of degree
7 is within 6e-9. 2^n is written into the bits of a float's exponent.
"""

from __future__ import annotations

from functools import reduce
from math import factorial, log

from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels.builder.emit import bind, broadcast
from rdpass.kernels.builder.function import Expr
from rdpass.targets.isa import Vector

_LARGEST = 87.0
"""Beyond it exp(y) or exp(-y) is no normal number, and the sigmoid 0 or 1 to float32."""
_DEGREE = 7
_MANTISSA, _BIAS = 23, 127
# log 2 in two parts: the first has few enough bits that its product with any n is exact.
_LOG2_HIGH = round(log(2) * 2**9) / 2**9
_LOG2_LOW = log(2) - _LOG2_HIGH


def sigmoid(value: Expr, vector: Vector) -> Expr:
    """The logistic function, within 2e-7 for every finite value of float32, whose bits are written.

    Numbers of float16 are computed so, too, and rounded once.
    """
    if vector.numeric is not FLOAT32:
        wide = Vector(FLOAT32, vector.lanes)
        return T.Cast(str(vector), sigmoid(T.Cast(str(wide), value), wide))
    one = broadcast(1.0, vector)
    return one / (one + _exponential(bind(broadcast(0.0, vector) - value), vector))


def _exponential(value: Expr, vector: Vector) -> Expr:
    lanes = vector.lanes
    within = bind(T.min(T.max(value, broadcast(-_LARGEST, vector)), broadcast(_LARGEST, vector)))
    power = bind(T.floor(within * broadcast(1 / log(2), vector) + broadcast(0.5, vector)))
    rest = bind(within - power * broadcast(_LOG2_HIGH, vector) - power * broadcast(_LOG2_LOW, vector))
    terms = [broadcast(1 / factorial(k), vector) for k in reversed(range(_DEGREE + 1))]
    series = reduce(lambda total, term: total * rest + term, terms)
    exponent = (T.Cast(f"int32x{lanes}", power) + T.Broadcast(T.int32(_BIAS), lanes)) << T.Broadcast(
        T.int32(_MANTISSA), lanes
    )
    return series * T.reinterpret(str(vector), exponent)
