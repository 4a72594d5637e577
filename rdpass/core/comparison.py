"""The one way numbers are compared: largest difference over largest expected magnitude, tolerance required."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rdpass.core.errors import ParityError

Array = NDArray[Any]


@dataclass(frozen=True)
class NumericGate:
    """One hand-over whose numbers were compared: ``error`` is the largest relative one seen."""

    name: str
    error: float
    tolerance: float


def relative_error(actual: Array, expected: Array) -> float:
    """``max|actual - expected| / max|expected|``, in float64; infinite where either holds what is not finite.

    Relative to the tensor's largest magnitude, not element by element: an element next to zero has no meaningful
    relative error of its own. An ``expected`` of nothing but zeros is compared absolutely.
    """
    if actual.shape != expected.shape:
        return float("inf")
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    if a.size == 0:
        return 0.0
    if not (np.isfinite(a).all() and np.isfinite(e).all()):
        return float("inf")
    return float(np.abs(a - e).max() / (np.abs(e).max() or 1.0))


def check_close(name: str, actual: Sequence[Array], expected: Sequence[Array], tolerance: float) -> NumericGate:
    """Compare outputs pairwise and return the gate passed.

    Raises:
        ParityError: they differ by more than ``tolerance``; the message names the gate, the output, the largest and
            mean difference, and where the largest is.
    """
    if len(actual) != len(expected):
        raise ParityError(f"{name}: {len(actual)} outputs where {len(expected)} were expected")
    worst = 0.0
    for index, (a, e) in enumerate(zip(actual, expected, strict=True)):
        error = relative_error(a, e)
        if not error <= tolerance:
            raise ParityError(f"{name}: output {index} {_describe(a, e, error, tolerance)}")
        worst = max(worst, error)
    return NumericGate(name, worst, tolerance)


def _describe(actual: Array, expected: Array, error: float, tolerance: float) -> str:
    if actual.shape != expected.shape:
        return f"has shape {actual.shape}, expected {expected.shape}"
    if not np.isfinite(actual).all():
        return f"holds {int((~np.isfinite(actual)).sum())} values that are not finite"
    difference = np.abs(np.asarray(actual, np.float64) - expected)
    where = tuple(int(i) for i in np.unravel_index(int(difference.argmax()), difference.shape))
    return (
        f"differs by {error:.3g} relative (tolerance {tolerance:.1g}): largest {difference.max():.3g} at {where},"
        f" mean {difference.mean():.3g}"
    )


def sqnr(actual: Array, expected: Array) -> float:
    """Signal to quantisation noise in dB: the mean square of ``expected`` over that of the difference.

    Infinite where both are equal, minus infinity where what is expected is nothing but zeros.
    """
    a, e = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    noise, signal = float(((a - e) ** 2).mean()), float((e**2).mean())
    if noise == 0:
        return float("inf")
    return 10 * float(np.log10(signal / noise)) if signal > 0 else -float("inf")
