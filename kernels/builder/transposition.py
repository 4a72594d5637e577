"""Sixteen vectors of sixteen bytes, turned round: between channels of pixels and pixels of channels."""

from __future__ import annotations

from collections.abc import Sequence

from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import Expr
from rdpass.kernels.builder.intrinsics import shuffled

SIDE = 16
_ROUNDS = 4
"""Of which each doubles the bytes that lie right: 2 to the 4th are sixteen."""


def transposed(rows: Sequence[Expr]) -> list[Expr]:
    """Vector ``i`` of the result has byte ``i`` of every row.

    Each round zips the rows of the upper half with those of the lower one.
    """
    for _ in range(_ROUNDS):
        pairs = list(zip(rows[: SIDE // 2], rows[SIDE // 2 :], strict=True))
        rows = [bind(_zipped(a, b, half)) for a, b in pairs for half in (0, 1)]
    return list(rows)


def _zipped(a: Expr, b: Expr, half: int) -> Expr:
    """The lanes of one half of both, by turns."""
    begin = half * SIDE // 2
    order = [lane + other for lane in range(begin, begin + SIDE // 2) for other in (0, SIDE)]
    return shuffled([a, b], order)
