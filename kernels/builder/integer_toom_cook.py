"""Winograd's F(4, 3) in whole numbers, exact: points 0, ±1, ±2 and infinity, and no fraction anywhere.

With G' = D G, whose rows are whole, and A' = A D^-1 24, the result is 576 times the sum of products:

    576 Y = A'^T [ (G' g G'^T) * (B^T d B) ] A'

Bytes and weights transformed are below 2^15 in magnitude (100 x 255 and 144 x 128). All that follows is modulo 2^32.
There 9 has an inverse, so 64 Y is known modulo 2^32, and Y itself where it is below 2^25 in magnitude, whatever went
over on the way. ``exact_channels`` are as many as can never give more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT16, NumericType
from rdpass.kernels.builder.emit import bind, broadcast
from rdpass.kernels.builder.function import Expr
from rdpass.kernels.builder.modular import Modular
from rdpass.kernels.quantization import limits
from rdpass.targets.isa import Vector

OUTPUTS, TAPS = 4, 3
EDGE = OUTPUTS + TAPS - 1
NUMBERS = EDGE * EDGE

FILTER = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 6]])
INPUT = np.array([
    [4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1],
])  # fmt: skip
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 4]])
"""G', B^T and A'^T."""

INVERSE = pow(9, -1, 1 << 32)
SHIFT = 6
"""From 576 Y to Y: times the inverse of 9, then over 64."""


def exact_channels(byte: NumericType) -> int:
    """Input channels whose sum of products is below 2^25 in magnitude, whatever their bytes and weights are."""
    largest = max(abs(limit) for limit in limits(byte))
    return (1 << 31 - SHIFT) // (TAPS * TAPS * largest * 128)


def transform_weights(weights: Array) -> Array:
    """(O, I, 3, 3) of bytes to (36, O, I) of int16."""
    whole = np.einsum("ia,ocab,jb->ijoc", FILTER, weights.astype(np.int64), FILTER, optimize=True)
    return np.asarray(whole.reshape(NUMBERS, *whole.shape[2:]), INT16.value)


def transform_input(d: Sequence[Expr], vector: Vector) -> list[Expr]:
    """B^T d for six vectors of int16, which hold what comes out."""

    def times(value: Expr, factor: int) -> Expr:
        return value * broadcast(factor, vector)

    inner, outer = bind(d[4] - d[2]), bind(d[3] - d[1])
    even, odd = bind(d[4] - times(d[2], 4)), bind(d[3] - times(d[1], 4))
    twice = bind(times(outer, 2))
    first = times(d[0] - d[2], 4) + inner
    last = d[5] - d[3] - times(outer, 4)
    return [first, even + odd, even - odd, inner + twice, inner - twice, last]


def transform_output(q: Sequence[Modular]) -> list[Modular]:
    """A'^T q for six vectors."""
    near, far = q[1] + q[2], q[3] + q[4]
    close, wide = q[1] - q[2], q[3] - q[4]
    return [
        q[0] + near + far,
        close + wide.times(2),
        near + far.times(4),
        close + wide.times(8) + q[5].times(4),
    ]
