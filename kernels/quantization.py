"""The numbers of a kernel that computes in integers: from sums of bytes to bytes again.

A map of bytes q stands for scale x (q - zero). Sums of products stand for the product of two scales, so one factor for
each output channel brings them to the output's scale:

    q = clamp(rint(float32(sum) x factor) + zero, low, high)

in float32, rint to the even of two neighbours, as onnxruntime does it. Where another map is added, this q is what is
added to it, so nothing differs from a network that stores it in between:

    r = clamp(rint((q - zero) x own factor + (other - other zero) x other factor) + zero', low', high')

Both products and their sum are float32, so either map may be the first.

A mean of n numbers is their sum times one factor, float32(factor / n), the division in float64 (``mean_factors``). A
product of two maps is the whole product times one factor:

    q = clamp(rint(float32((a - zero a) x (b - zero b)) x factor) + zero, low, high)

A linear resize mixes four bytes by whole weights, parts of d x d' at a place (``workload.Places``, reduced): a mean of
d x d' numbers. The nearest byte is copied. A function of one byte is a table (``table_of``): so are activations between
two quantisations, and a map that is brought to the scale of another, before it lies beside that one in a third.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, NumericType


@dataclass(frozen=True)
class Bounds:
    """Where values of an output end: ``zero`` is added, then they are held between ``low`` and ``high``."""

    zero: int
    low: int
    high: int

    def hold(self, rounded: Array) -> Array:
        """Whole numbers as the output's."""
        return np.asarray(np.clip(rounded + self.zero, self.low, self.high))

    def cuts(self, numeric: NumericType) -> bool:
        """Tell whether they leave less than the type holds."""
        return (self.low, self.high) != limits(numeric)


@dataclass(frozen=True)
class Addition:
    """Another map of bytes that is added: factors of the value and of that map, its zero, and the sum's bounds."""

    own: float
    other: float
    other_zero: int
    bounds: Bounds


@dataclass(frozen=True)
class Requantization:
    """``factors``: float32, one for each output channel, or one for all. ``input_zero``: of the map that is read.

    ``bounds``: None where the output is float32, sum times factor. ``other_zero``: of a map that is multiplied.
    """

    input_zero: int
    factors: Array = field(repr=False, compare=False)
    bounds: Bounds | None
    addition: Addition | None = None
    other_zero: int = 0

    @property
    def scalars(self) -> Array:
        """What is the same for all channels, as the kernels take it: int32, two of them the bits of float32."""
        bounds, addition = self.bounds or _NOTHING, self.addition or Addition(0.0, 0.0, self.other_zero, _NOTHING)
        packed = np.zeros(SCALARS, np.int32)
        packed[:8] = (
            self.input_zero, bounds.zero, bounds.low, bounds.high,
            addition.other_zero, addition.bounds.zero, addition.bounds.low, addition.bounds.high,
        )  # fmt: skip
        packed[8:10] = np.array([addition.own, addition.other], FLOAT32).view(np.int32)
        return packed


_NOTHING = Bounds(0, 0, 0)
SCALARS = 16
INPUT_ZERO, ZERO, LOW, HIGH, OTHER_ZERO, SUM_ZERO, SUM_LOW, SUM_HIGH, OWN, OTHER, NOTHING = range(11)
"""Places among ``Requantization.scalars``; the last holds 0."""


SHORT = 0x4B400000
"""The bits of 1.5 x 2^23 as float32. Sums of less than 2^22 that start from it are, read as float32, that much more
than themselves; and a value to which it is added as a float is rounded, the even one of two, into the low bits."""
_SHORT_SUMS, _SHORT_VALUES = 1 << 22, (1 << 15) - 1


class Short(StrEnum):
    """What can be read from a larger float, or rounded into one: see ``SHORT``. Its value is a word in kernels' names.

    ``VALUES``: what sums become is below 2^15. ``SUMS``: so it is, and the sums are below 2^22.
    """

    NOTHING = ""
    VALUES = "_short_values"
    SUMS = "_short"


def limits(numeric: NumericType) -> tuple[int, int]:
    """The smallest and the largest number of an integer type."""
    info = np.iinfo(numeric.value)
    return int(info.min), int(info.max)


def quantize(x: Array, scale: float, zero: int, numeric: NumericType) -> Array:
    """Numbers as QuantizeLinear of ONNX has them: divided in float32, rounded half to even, saturated.

    Infinities are the ends of the type's range, and NaN is the zero, which stands for nothing.
    """
    low, high = limits(numeric)
    rounded = np.rint(x.astype(FLOAT32) / np.asarray(scale, FLOAT32))
    held = np.clip(np.where(np.isnan(rounded), 0, rounded), low - zero, high - zero)
    return np.asarray((held + zero).astype(numeric.value))


def dequantize(q: Array, scale: float, zero: int) -> Array:
    """Numbers as DequantizeLinear of ONNX has them: float32."""
    return np.asarray((q.astype(np.int32) - zero).astype(FLOAT32) * np.asarray(scale, FLOAT32))


def requantize(sums: Array, by: Requantization, other: Array | None = None) -> Array:
    """Exact sums (N, C, ...) as the output's numbers, by the formulas above."""
    values = scale(sums, by.factors.reshape(1, -1, *[1] * (sums.ndim - 2)), by)
    if by.bounds is None or by.addition is None or other is None:
        return values
    return add(values - by.bounds.zero, other, by.addition)


def scale(sums: Array, factors: Array, by: Requantization) -> Array:
    """Whole numbers times factors that fit their shape, as the output's numbers."""
    scaled = sums.astype(FLOAT32) * factors.astype(FLOAT32)
    return np.asarray(scaled) if by.bounds is None else by.bounds.hold(np.rint(scaled).astype(np.int64))


def what_is_short(weights: Array, bias: Array, by: Requantization, byte: NumericType) -> Short:
    """What no input can make long of a layer (O, I, ...) that reads such bytes.

    Example:
        >>> by = Requantization(0, np.ones(1, np.float32), Bounds(0, -128, 127))
        >>> what_is_short(np.full((1, 1, 1, 1), 2, np.int8), np.zeros(1, np.int32), by, NumericType.INT8)
        <Short.SUMS: '_short'>
    """
    low, high = (end - by.input_zero for end in limits(byte))
    flat = weights.reshape(len(weights), -1).astype(np.int64)
    ends = (np.minimum(flat * low, flat * high).sum(axis=1), np.maximum(flat * low, flat * high).sum(axis=1))
    # The bias holds the zero of the input as well.
    folded = by.input_zero * flat.sum(axis=1)
    reach = np.max([np.abs(end + bias.astype(np.int64)) for end in ends], axis=0)
    if (reach * np.abs(by.factors.astype(np.float64)) >= _SHORT_VALUES).any():
        return Short.NOTHING
    sums = (reach < _SHORT_SUMS).all() and (np.abs(bias - folded) < _SHORT_SUMS).all()
    return Short.SUMS if sums else Short.VALUES


def mean_factors(by: Requantization, counts: Array) -> Array:
    """The factors of sums of so many numbers, for their means."""
    return np.asarray(by.factors.astype(np.float64)[0] / counts, FLOAT32)


def table_of(byte: NumericType, function: Callable[[Array], Array]) -> Array:
    """All 256 values of a function of one number, in the order of the number's bits read as an unsigned one.

    Example:
        >>> table_of(NumericType.INT8, lambda q: np.maximum(q, 0))[[1, 127, 255]].tolist()
        [1, 127, 0]
    """
    numbers = np.arange(256, dtype=np.uint8).view(byte.value)
    return np.asarray(function(numbers), byte.value)


def add(values: Array, other: Array, by: Addition) -> Array:
    """Whole numbers without their zero, and a map of bytes, as the numbers of their sum."""
    own, others = np.array([by.own, by.other], FLOAT32)
    total = values.astype(FLOAT32) * own + (other.astype(np.int64) - by.other_zero).astype(FLOAT32) * others
    return by.bounds.hold(np.rint(total).astype(np.int64))
