"""Means over images as estimates: a value, its standard error, and differences of two networks on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rdpass.core.comparison import Array


@dataclass(frozen=True)
class Estimate:
    """``value`` and its standard error, None where one image, or one batch, is all there is."""

    value: float
    error: float | None

    def __str__(self) -> str:
        return f"{self.value:.2f}" if self.error is None else f"{self.value:.2f} ± {self.error:.2f}"


@dataclass(frozen=True)
class Compared:
    """A figure of a teacher and its student on the same images; the ``difference`` is the student's less the teacher's,
    with the error of pairs."""

    name: str
    images: int
    teacher: Estimate
    student: Estimate
    difference: Estimate

    def __str__(self) -> str:
        return f"{self.name}: teacher {self.teacher}, student {self.student}, difference {self.difference}"


def mean_of(scores: Array, weights: Array) -> Estimate:
    """The weighted mean of rows, each drawn by itself; its error is that of a ratio of two means.

    Of differences between two networks, row by row, it is the paired one: what is hard for both cancels.

    Example:
        >>> print(mean_of(np.array([100.0, 0.0, 100.0, 100.0]), np.ones(4)))
        75.00 ± 25.00
    """
    total = float(weights.sum())
    value = float((scores * weights).sum() / total)
    rows = len(scores)
    if rows < 2:
        return Estimate(value, None)
    spread = float((((scores - value) * weights) ** 2).sum())
    return Estimate(value, math.sqrt(spread * rows / (rows - 1)) / total)


def jackknifed(whole: float, parts: Sequence[float]) -> Estimate:
    """A figure of all images that is no mean over them, with its error from the same figure without a part of them.

    Args:
        whole: of all images.
        parts: of all but one of equal parts, for each.

    Source: Tukey's jackknife, with groups.
    """
    count = len(parts)
    if count < 2:
        return Estimate(whole, None)
    values = np.asarray(parts, np.float64)
    return Estimate(whole, math.sqrt((count - 1) / count * float(((values - values.mean()) ** 2).sum())))
