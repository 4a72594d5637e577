"""Read what a quantised network says: maps and weights of bytes, with their scales and zeros.

A map is quantised as a whole: one scale, one zero. Weights have a scale for each output channel, or one, and zero 0;
unsigned ones with zero 128 are the same shifted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT8, UINT8, NumericType
from rdpass.kernels.builder.integer_tile import split_diagonal
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, shape_of, type_of

QUANTIZE, DEQUANTIZE = "relax.quantize", "relax.dequantize"
MARK = "rdpass.dequantize"
"""The function that a kept constant seems to call, with the constant, its scale, its zero, and the axis of both."""


@dataclass(frozen=True)
class Scaled:
    """The bytes of a map, and what they stand for: ``scale`` x (byte - ``zero``). ``variable``: the map."""

    variable: Any
    scale: Any
    zero: int
    byte: NumericType

    def zero_as(self, byte: NumericType) -> int:
        """Its zero where the map is kept as the other type of bytes, shifted by 128."""
        return self.zero + shift_to(self.byte, byte)

    def same_scale(self, other: Scaled) -> bool:
        return (self.scale, self.zero, self.byte) == (other.scale, other.zero, other.byte)

    def holds(self, value: float, byte: NumericType) -> int:
        """The number that stands for ``value``, or the nearest there is, kept as ``byte``."""
        low, high = np.iinfo(self.byte.value).min, np.iinfo(self.byte.value).max
        nearest = float(np.rint(np.clip(np.asarray(value, FLOAT32) / self.scale, -1e6, 1e6))) + self.zero
        return int(np.clip(nearest, low, high)) + shift_to(self.byte, byte)


@dataclass(frozen=True)
class Weights:
    """Weights of bytes and the scale of each output channel. As int16 all but the diagonal's are to be bytes."""

    variable: Any
    numbers: Array = field(repr=False)
    scales: Array = field(repr=False)

    @property
    def are_bytes(self) -> bool:
        return self.numbers.dtype == np.int8

    @property
    def have_diagonal(self) -> bool:
        """Tell whether they are bytes but for the middle tap of each filter's own channel."""
        filters, channels, *sizes = self.numbers.shape
        if self.are_bytes or filters != channels or len(sizes) != 2 or not all(size % 2 for size in sizes):
            return False
        rest, _ = split_diagonal(self.numbers)
        own = np.arange(filters)
        changed = rest != self.numbers
        changed[own, own, sizes[0] // 2, sizes[1] // 2] = False
        return not changed.any()


def shift_to(given: NumericType, wanted: NumericType) -> int:
    """What is added to bytes of one type to keep the same values as the other."""
    return {(UINT8, INT8): -128, (INT8, UINT8): 128}.get((given, wanted), 0)


def quantized(flow: Dataflow, variable: Any) -> Scaled | None:
    """The map that ``variable`` is, if it is bound to a quantisation of a float map."""
    value: Any = flow.value(variable)
    if operator_of(value) != QUANTIZE or shape_of(variable) is None:
        return None
    return _scaled(variable, value, type_of(variable))


def dequantized(flow: Dataflow, expression: Any) -> Scaled | None:
    """The map that ``expression``, a variable, holds as floats, if it is that."""
    value: Any = flow.value(expression) if isinstance(expression, relax.Var) else None
    if operator_of(value) != DEQUANTIZE or not isinstance(value.args[0], relax.Var) or shape_of(value.args[0]) is None:
        return None
    return _scaled(value.args[0], value, type_of(value.args[0]))


def _scaled(variable: Any, value: Any, byte: NumericType) -> Scaled | None:
    scale, zero = (array_of(argument) for argument in value.args[1:3])
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or byte not in (INT8, UINT8):
        return None
    factor = scale.astype(FLOAT32).reshape(-1)[0]
    return Scaled(variable, factor, int(zero.reshape(-1)[0]), byte) if np.isfinite(factor) and factor > 0 else None


def is_marked(value: Any) -> bool:
    """Tell whether it is a kept constant (``rewrite.keep_integers``)."""
    if operator_of(value) != "relax.call_dps_packed":
        return False
    return str(getattr(value.args[0], "global_symbol", "")) == MARK


def kept_weights(flow: Dataflow, expression: Any, outputs: int = 0) -> Weights | None:
    """The weights that ``expression``, a variable, holds as floats; ``outputs``: the axis of output channels."""
    value: Any = flow.value(expression) if isinstance(expression, relax.Var) else None
    if not is_marked(value):
        return None
    numbers, scale, zero, axis = (array_of(each) for each in value.args[1].fields)
    if numbers is None or scale is None or zero is None or axis is None:
        return None
    shift = {"int8": 0, "uint8": -128, "int16": 0}.get(numbers.dtype.name)
    along = scale.size == 1 or int(axis) % numbers.ndim == outputs
    if shift is None or not along or (zero.astype(int) + shift).any():
        return None
    signed = numbers if numbers.dtype.name == "int16" else (numbers.astype(np.int16) + shift).astype(np.int8)
    scales = np.broadcast_to(scale.astype(FLOAT32).reshape(-1), (numbers.shape[outputs],))
    return Weights(expression, signed, scales)


def kept_bias(flow: Dataflow, expression: Any, scales: Array) -> tuple[Array, tuple[Any, ...]] | None:
    """A bias on the ``scales`` of sums, and the variables that led to it; None where it does not fit.

    It is a constant of floats, or one kept as int32, reshaped or not, and of whole numbers only where it was made so.
    """
    inside: list[Any] = []
    value: Any = expression
    while isinstance(value, relax.Var):
        inside.append(value)
        bound: Any = flow.value(value)
        if operator_of(bound) == "relax.reshape":
            value = bound.args[0]
            continue
        if not is_marked(bound):
            return None
        numbers, scale, zero, _ = (array_of(each) for each in bound.args[1].fields)
        if numbers is None or scale is None or zero is None or zero.any() or numbers.size != len(scales):
            return None
        return _on_scales(numbers.reshape(-1) * scale.astype(np.float64).reshape(-1), scales, tuple(inside))
    array = array_of(value)
    if array is None or array.size not in (1, len(scales)):
        return None
    return _on_scales(np.broadcast_to(array.astype(np.float64).reshape(-1), scales.shape), scales, tuple(inside))


_LARGEST_BIAS = 2**40


def _on_scales(bias: Array, scales: Array, inside: tuple[Any, ...]) -> tuple[Array, tuple[Any, ...]] | None:
    scaled = bias / scales.astype(np.float64)
    return (scaled, inside) if np.abs(scaled).max(initial=0) < _LARGEST_BIAS else None
