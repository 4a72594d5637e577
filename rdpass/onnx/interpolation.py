"""Resize along one axis as a matrix (outputs, inputs), for every mode that ONNX has.

    place of output i of m, with n inputs and the scale s:
        half_pixel             (i + .5) / s - .5
        half_pixel_symmetric   the same, about the middle of the axis
        pytorch_half_pixel     the same as half_pixel, 0 where m = 1
        asymmetric             i / s
        align_corners          i (n - 1) / (s n - 1)
        tf_crop_and_resize     between the ends of a region
    nearest:  the input at the rounded place · linear, cubic: weights of the inputs around it
    antialias: the kernel widened by 1 / s where s < 1

Of whole numbers a linear one is exact in whole parts (``linear_mixtures``): where s is m / n, places are fractions.

Source: ONNX's operator specification of Resize.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32


@dataclass(frozen=True)
class Resampling:
    """How an axis is resized; the fields are Resize's attributes."""

    mode: str = "nearest"
    coordinates: str = "half_pixel"
    nearest: str = "round_prefer_floor"
    cubic: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False


def matrix_of(how: Resampling, before: int, after: int, scale: float, roi: tuple[float, float] = (0, 1)) -> Array:
    """Weights (after, before) in float64; rows of zeros where ``tf_crop_and_resize`` looks outside."""
    places = _places(how.coordinates, before, after, scale, roi)
    if how.mode == "nearest":
        found = np.clip(_ROUND[how.nearest](places), 0, before - 1).astype(int)
        weights = np.eye(before)[found]
    else:
        weights = _weights(how, places, before, min(scale, 1.0) if how.antialias else 1.0)
    if how.coordinates == "tf_crop_and_resize":
        weights[(places < 0) | (places > before - 1)] = 0
    return np.asarray(weights)


def looks_outside(how: Resampling, before: int, after: int, scale: float, roi: tuple[float, float]) -> Array:
    """The outputs that read no input but the extrapolation value."""
    if how.coordinates != "tf_crop_and_resize":
        return np.zeros(after, bool)
    places = _places(how.coordinates, before, after, scale, roi)
    return np.asarray((places < 0) | (places > before - 1))


def _places(way: str, before: int, after: int, exact: float, roi: tuple[float, float]) -> Array:
    """In float32, as runtimes find them: it decides which of two places as near is nearest."""
    one = np.dtype(FLOAT32).type
    at, scale, half = np.arange(after, dtype=one), one(exact), one(0.5)
    if after == 1 and way in ("pytorch_half_pixel", "align_corners"):
        places = np.zeros(1, one)
    elif way in ("half_pixel", "pytorch_half_pixel"):
        places = (at + half) / scale - half
    elif way == "half_pixel_symmetric":
        places = one(before / 2 * (1 - after / (exact * before))) + (at + half) / scale - half
    elif way == "asymmetric":
        places = at / scale
    elif way == "align_corners":
        places = at * one(before - 1) / one(before * exact - 1)  # more than there are outputs, perhaps
    elif after == 1:
        places = np.array([0.5 * sum(roi) * (before - 1)], one)
    else:
        places = one(roi[0] * (before - 1)) + at * one((roi[1] - roi[0]) * (before - 1) / (after - 1))
    found: Array = np.asarray(places, np.float64)
    return found


_ROUND: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda places: np.ceil(places - 0.5),
    "round_prefer_ceil": lambda places: np.floor(places + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def _weights(how: Resampling, places: Array, before: int, shrink: float) -> Array:
    """Every tap's weight added where it reads: beyond the edges that is the edge itself, or nothing."""
    kernel: Callable[[Array], Array] = _triangle if how.mode == "linear" else lambda x: _cubic(x, how.cubic)
    radius = (1 if how.mode == "linear" else 2) / shrink
    weights = np.zeros((len(places), before))
    for row, place in enumerate(places):
        taps = np.arange(np.floor(place - radius) + 1, np.ceil(place + radius))
        values = kernel((taps - place) * shrink)
        inside = (taps >= 0) & (taps < before)
        if how.exclude_outside:
            values = np.where(inside, values, 0)
        if how.exclude_outside or how.antialias:
            values = values / values.sum()
        np.add.at(weights[row], np.clip(taps, 0, before - 1).astype(int), values)
    return weights


def _triangle(x: Array) -> Array:
    return np.asarray(np.maximum(1 - np.abs(x), 0))


def _cubic(x: Array, a: float) -> Array:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


def linear_mixtures(x: Array, sizes: Sequence[int], mode: str) -> tuple[Array, Array] | None:
    """Linear ``Resize`` of x (N, C, H, W) to ``sizes``: sums by whole weights, and how many parts these make.

    ``mode``: the coordinates'. None where it is none whose places are fractions of the sizes.
    """
    ways = [_mixing(given, wanted, mode) for given, wanted in zip(x.shape[2:], sizes, strict=True)]
    if any(way is None for way in ways):
        return None
    (down, rows), (across, columns) = (way for way in ways if way is not None)
    return np.einsum("ih,nchw,jw->ncij", down, x.astype(np.float64), across), np.array(rows * columns)


def _mixing(given: int, wanted: int, mode: str) -> tuple[Array, int] | None:
    """(wanted, given): how many parts of each input every output takes, and how many there are."""
    if mode == "half_pixel" or (mode == "pytorch_half_pixel" and wanted > 1):
        step = Fraction(given, wanted)
        start = (step - 1) / 2
    elif mode == "align_corners" and wanted > 1:
        step, start = Fraction(given - 1, wanted - 1), Fraction(0)
    elif mode == "asymmetric":
        step, start = Fraction(given, wanted), Fraction(0)
    else:
        return None
    parts = math.lcm(step.denominator, start.denominator)
    matrix = np.zeros((wanted, given))
    for index in range(wanted):
        place = min(max(step * index + start, Fraction(0)), Fraction(given - 1))
        low, rest = math.floor(place), int(place % 1 * parts)
        matrix[index, low] += parts - rest
        matrix[index, min(low + 1, given - 1)] += rest
    return matrix, parts
