"""Values of a quantised network: integers with scales, exact sums of their products, and rounding to integers.

A real number r is held as the integer q with r = scale · (q - zero). Rounding is half to even, and out of range
saturates, as ONNX's QuantizeLinear and onnxruntime's QLinearConv say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32

Bound = tuple[Array | None, Array | None]
"""The least and the largest real number that is let through, each broadcast over a map; None for no bound."""
_LARGEST_BYTE = 127
SAME_SCALE = 1e-5
"""A bias's scale counts as that of the sums within this ratio: tools compute the product in float32 or float64."""


@dataclass(frozen=True)
class Quantised:
    """Integers as DequantizeLinear reads them; ``scale`` and ``zero`` are scalars, or vectors along ``axis``."""

    integers: Array
    scale: Array
    zero: Array
    axis: int = 0

    @property
    def is_per_tensor(self) -> bool:
        return self.scale.size == 1

    @property
    def is_map(self) -> bool:
        """Tell whether it has one scale, as maps have."""
        return self.is_per_tensor and bool((self.scale > 0).all())

    @property
    def centred(self) -> Array:
        """The integers less their zero point, exactly, as float64."""
        return self.integers.astype(np.float64) - along(self.zero.astype(np.float64), self.axis, self.integers.ndim)

    @property
    def real(self) -> Array:
        """The numbers meant, rounded to float32 as DequantizeLinear gives them, held in float64."""
        scale = along(self.scale.astype(FLOAT32), self.axis, self.integers.ndim)
        return (self.centred.astype(FLOAT32) * scale).astype(np.float64)


@dataclass(frozen=True)
class Sums:
    """Exact whole numbers before they are rounded to an output's scale: of a layer, bias included, of a product, of a
    mean's numbers.

    ``input_scale`` is a scalar, ``weight_scale`` a scalar or a vector along ``axis``, the output's channels. ``count``:
    what means are divided by, everywhere or at each place.
    """

    total: Array
    input_scale: Array
    weight_scale: Array
    axis: int
    bounds: tuple[Bound, ...] = ()
    count: Array | None = None

    @property
    def real(self) -> Array:
        """The numbers meant, in float64."""
        scale = self.input_scale.astype(np.float64) * self.weight_scale.astype(np.float64)
        real = self.total * along(scale, self.axis, self.total.ndim)
        return bounded(real if self.count is None else real / self.count, self.bounds)

    def steps(self, scale: Array) -> Array:
        """Sums times (x_scale · w_scale) / y_scale, all in float32 and in this order, as onnxruntime's QLinearConv has
        them; of means this factor is divided in float64."""
        factor = (self.input_scale.astype(FLOAT32) * self.weight_scale.astype(FLOAT32)) / scale.astype(FLOAT32)
        spread = along(factor, self.axis, self.total.ndim)
        each = spread if self.count is None else (spread / self.count).astype(FLOAT32)
        return np.asarray(self.total.astype(FLOAT32) * each)


@dataclass(frozen=True)
class Joined:
    """Two maps of integers, added before they are rounded to an output's scale. Both have one scale."""

    first: Quantised
    second: Quantised
    bounds: tuple[Bound, ...] = ()

    @property
    def real(self) -> Array:
        """The sum of the numbers meant, in float64."""
        return bounded(self.first.real + self.second.real, self.bounds)

    def steps(self, scale: Array) -> Array:
        """Each map's integers times x_scale / y_scale, and their sum, in float32."""
        return self._scaled(self.first, scale) + self._scaled(self.second, scale)

    @staticmethod
    def _scaled(value: Quantised, scale: Array) -> Array:
        factor = value.scale.reshape(()).astype(FLOAT32) / scale.astype(FLOAT32)
        return np.asarray(value.centred.astype(FLOAT32) * factor)


Unrounded = Sums | Joined
Value = Quantised | Unrounded | Array


def real_of(value: Value) -> Array:
    """A value as numbers: float64 where it is not of whole numbers or truth values."""
    if isinstance(value, Quantised | Unrounded):
        return value.real
    return value.astype(np.float64) if value.dtype.kind == "f" else value


def quantise(real: Array, scale: Array, zero: Array, axis: int) -> Array:
    """``QuantizeLinear`` of numbers, computed in float32 as its definition has it; the type is that of ``zero``."""
    spread = along(scale.astype(FLOAT32), axis, real.ndim)
    steps = np.rint(real.astype(FLOAT32) / spread)
    return saturate(steps.astype(np.float64) + along(zero.astype(np.float64), axis, real.ndim), zero.dtype)


def requantise(value: Unrounded, scale: Array, zero: Array) -> Array:
    """The numbers at an output's scale: ``steps`` rounded half to even, plus the zero point, saturated."""
    steps = np.rint(value.steps(scale)).astype(np.float64)
    for low, high in value.bounds:
        # Rounding is monotone, so that bounds may be rounded by themselves.
        steps = clip(steps, (_steps(low, scale), _steps(high, scale)))
    return saturate(steps + zero.astype(np.float64), zero.dtype)


def bias_integers(bias: Value, input_scale: Array, weight_scale: Array) -> Array:
    """A layer's bias on the scale of its sums: as it is where it has that scale, else rounded to it, within int32."""
    if isinstance(bias, Quantised) and is_on_scale(bias, input_scale, weight_scale):
        return bias.integers.astype(np.float64)
    product = input_scale.astype(FLOAT32) * weight_scale.astype(FLOAT32)
    return saturate(np.rint(real_of(bias) / product.astype(np.float64)), np.dtype(np.int32)).astype(np.float64)


def is_on_scale(bias: Value, input_scale: Array, weight_scale: Array) -> bool:
    """Tell whether a layer's bias is whole numbers on the scale of its sums."""
    if not isinstance(bias, Quantised) or bias.zero.any():
        return False
    product = input_scale.astype(FLOAT32) * weight_scale.astype(FLOAT32)
    return bool(np.allclose(bias.scale, product, SAME_SCALE, 0))


def growth(weights: Quantised) -> float:
    """The largest power of 2 times which weights of a few bits are bytes: on the scale then a bias rounds less."""
    largest = np.abs(weights.centred).max(initial=1.0)
    return float(2.0 ** np.floor(np.log2(max(_LARGEST_BYTE / largest, 1.0))))


def bounded(values: Array, bounds: Sequence[Bound]) -> Array:
    """``values`` within each of the bounds in turn."""
    for bound in bounds:
        values = clip(values, bound)
    return values


def clip(values: Array, bound: Bound) -> Array:
    """``values`` within a bound."""
    low, high = bound
    values = values if low is None else np.maximum(values, low)
    return values if high is None else np.minimum(values, high)


def saturate(values: Array, kind: np.dtype[Any]) -> Array:
    """Whole numbers (float64) as integers of a type, those out of its range at its ends."""
    info = np.iinfo(kind)
    return np.clip(values, info.min, info.max).astype(kind)


def along(vector: Array, axis: int, rank: int) -> Array:
    """A vector along ``axis`` of a tensor of so many axes; a scalar (or one number) as a scalar."""
    if vector.size == 1:
        return vector.reshape(())
    return vector.reshape([-1 if index == axis % rank else 1 for index in range(rank)])


def _steps(bound: Array | None, scale: Array) -> Array | None:
    return None if bound is None else np.rint(bound.astype(FLOAT32) / scale.astype(FLOAT32)).astype(np.float64)
