"""Winograd's minimal filtering F(m, r) by Toom-Cook, for interpolation points ±a, ±b, ..., infinity and perhaps 0.

    Y = A' [ (G g G') * (B' d B) ] A

There are n = m + r - 1 products for m outputs of an r-tap filter, 2p + 2 with p pairs of points and 0, 2p + 1 without 0
(Lavin and Gray, arXiv 1509.09308; Blahut, Fast Algorithms for Signal Processing, 5.2). Symmetric points let the rows of
+a and -a share their even and odd halves, which is what ``transform_input`` and ``transform_output`` write. One product
is one output of one tap, and nothing is transformed.

Points of F(4, 3) and F(3, 4): ±sqrt(1/2) and ±sqrt(2), whose rounding error is a quarter of that of the usual ±1 and
±2, for as many operations. Points of F(4, 2): ±1/2 and ±1, with a third of the error of 0, ±1, 1/2.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
import numpy.typing as npt

from rdpass.core.comparison import Array
from rdpass.kernels.builder.emit import bind, broadcast
from rdpass.kernels.builder.function import Expr
from rdpass.targets.isa import Vector

PAIRS: dict[int, tuple[float, ...]] = {1: (), 3: (1.0,), 4: (1.0,), 5: (0.5, 1.0), 6: (sqrt(0.5), sqrt(2.0))}
"""The positive point of each pair, by products n."""

_NOTHING = 1e-12


def transform_weights(weights: Array, outputs: tuple[int, int]) -> npt.NDArray[np.float64]:
    """(O, I, r, r') to (n, n', O, I), in float64; ``outputs``: of a tile, down and across."""
    down, across = (filter_matrix(count, taps) for count, taps in zip(outputs, weights.shape[2:], strict=True))
    both: npt.NDArray[np.float64] = np.einsum(
        "ia,ocab,jb->ijoc", down, weights.astype(np.float64), across, optimize=True
    )
    return both


def filter_matrix(outputs: int, taps: int) -> npt.NDArray[np.float64]:
    """G, (n, r): every point's powers over the product of its distances to the other finite points."""
    points = _finite_points(outputs + taps - 1)
    rows = []
    for point in points:
        distance = np.prod([point - other for other in points if other != point])
        rows.append([point**power / distance for power in range(taps)])
    return np.array([*rows, [0.0] * (taps - 1) + [1.0]])


def _finite_points(products: int) -> list[float]:
    return [0.0] * _zeros(products) + [sign * point for point in PAIRS[products] for sign in (1.0, -1.0)]


def _zeros(products: int) -> int:
    """1 where the point 0 is among those of so many products, else 0."""
    return 1 - products % 2


def transform_input(d: list[Expr], vector: Vector) -> list[Expr]:
    """B' d for a column of n vectors."""
    pairs, zero = PAIRS[len(d)], _zeros(len(d))
    squares = [point * point for point in pairs]
    everything = _coefficients(squares)
    result = [_even(d, everything, 0, vector)] * zero
    for index, point in enumerate(pairs):
        others = _coefficients(squares[:index] + squares[index + 1 :])
        even = bind(_even(d, others, zero + 1, vector))
        odd = _scaled(bind(_even(d, others, zero, vector)), point, vector)
        result += [even + odd, even - odd]
    return [*result, _even(d, everything, zero, vector)]


def _coefficients(squares: list[float]) -> list[float]:
    """Coefficients of the product of (y - s), constant first."""
    product = np.array([1.0])
    for square in squares:
        product = np.convolve(product, [1.0, -square])
    return [float(number) for number in product[::-1]]


def _even(d: list[Expr], coefficients: list[float], first: int, vector: Vector) -> Expr:
    """Sum of coefficient k times d[first + 2 k]; the last coefficient is 1."""
    total = d[first + 2 * (len(coefficients) - 1)]
    for k in reversed(range(len(coefficients) - 1)):
        total = _plus_scaled(total, d[first + 2 * k], coefficients[k], vector)
    return total


def transform_output(q: list[Expr], outputs: int, vector: Vector) -> list[Expr]:
    """A' q for a column of n vectors: m vectors."""
    pairs, zero = PAIRS[len(q)], _zeros(len(q))
    sums = [bind(q[zero + 2 * i] + q[zero + 1 + 2 * i]) for i in range(len(pairs))]
    differences = [bind(q[zero + 2 * i] - q[zero + 1 + 2 * i]) for i in range(len(pairs))]
    result = []
    for power in range(outputs):
        halves = differences if power % 2 else sums
        total = q[0] if power < zero else q[-1] if power == outputs - 1 else None
        for half, point in zip(halves, pairs, strict=True):
            factor = point**power
            total = _scaled(half, factor, vector) if total is None else _plus_scaled(total, half, factor, vector)
        result.append(total)
    return result


def transform_running(sums: list[Expr], outputs: int, vector: Vector) -> list[Expr]:
    """A' q, given not q but its running sums: ``sums[k]`` is q[0] + ... + q[k]."""
    return [_combine(row, sums, vector) for row in running_matrix(len(sums), outputs)]


def running_matrix(products: int, outputs: int) -> npt.NDArray[np.float64]:
    """A' times the differences that running sums come apart in: (m, n)."""
    powers = [[point**power for point in _finite_points(products)] for power in range(outputs)]
    matrix = np.array([[*row, float(power == outputs - 1)] for power, row in enumerate(powers)])
    matrix[:, :-1] -= matrix[:, 1:].copy()
    return matrix


def _combine(factors: npt.NDArray[np.float64], values: list[Expr], vector: Vector) -> Expr:
    """The sum of factors times values; those that count once come first, and need no multiplication."""
    terms = [(round(float(f), 12), value) for f, value in zip(factors, values, strict=True) if abs(f) > _NOTHING]
    (factor, value), *others = sorted(terms, key=lambda term: term[0] != 1.0)
    total = _scaled(value, factor, vector)
    for factor, value in others:
        total = _plus_scaled(total, value, factor, vector)
    return total


def _scaled(value: Expr, factor: float, vector: Vector) -> Expr:
    return value if factor == 1.0 else value * broadcast(factor, vector)


def _plus_scaled(total: Expr, value: Expr, factor: float, vector: Vector) -> Expr:
    if factor in (1.0, -1.0):
        return total + value if factor == 1.0 else total - value
    return total + value * broadcast(factor, vector)
