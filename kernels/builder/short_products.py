"""Register tiles of products of int16, summed in int32 that wraps: what Winograd of bytes multiplies with.

A tile is P columns times B blocks of sixteen outputs. A step takes the sixteen channels of one block of input, which
are 32 bytes, and 256 weights for each block of outputs, in the order in which the tile's instructions take them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT16, INT32
from rdpass.kernels.builder.emit import Registers, bind, element
from rdpass.kernels.builder.function import Expr
from rdpass.kernels.builder.integer_products import BLOCK, STEP
from rdpass.kernels.builder.intrinsics import arm, bits_as, section, sums_of_twos
from rdpass.kernels.builder.modular import Modular
from rdpass.kernels.builder.packing import blocks, pad_axis
from rdpass.targets.isa import Isa

Inputs = Callable[[int, int, int], Expr]
"""Of a column, so many int16 from a channel of the block on."""
Weights = Callable[[int, int], Expr]
"""So many of a step's weights, from a number on."""

_HALF = 8
_PAIR = 2


class ShortProducts(ABC):
    """A register tile of at most ``pixels`` columns x ``out`` blocks; ``vectors``: of sums of a column."""

    def __init__(self, isa: Isa, pixels: int, out: int) -> None:
        self.isa, self.out, self.lanes = isa, out, isa.lanes(INT32)
        self.vectors = out * BLOCK // self.lanes
        self.sums = Registers(pixels * self.vectors, isa.vector(INT32))

    @staticmethod
    @abstractmethod
    def fits(isa: Isa, pixels: int, out: int) -> bool:
        """Tell whether the registers hold such a tile."""

    @staticmethod
    @abstractmethod
    def order(step: Array) -> Array:
        """Weights (..., 16 outputs of B blocks, 16 inputs) of steps as (..., 256 B)."""

    @abstractmethod
    def step(self, size: int, inputs: Inputs, weights: Weights) -> None:
        """Add the products of a block of channels to the sums of ``size`` columns."""

    def start(self, size: int) -> None:
        for index in range(size * self.vectors):
            self.sums[index] = T.Broadcast(tirx.const(0, INT32.value), self.lanes)

    def _add(self, at: int, product: Expr) -> None:
        self.sums[at] = (Modular(self.sums[at], self.lanes) + Modular(product, self.lanes)).value


class LaneProducts(ShortProducts):
    """SMLAL and SMLAL2 by element: eight outputs of a channel times that channel of a column."""

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int) -> bool:
        # Elements of int16 come from sixteen of the registers alone.
        vectors, weights = out * BLOCK // isa.lanes(INT32), out * BLOCK // _HALF
        return pixels * vectors + pixels + weights <= isa.registers - 1 and pixels <= 15

    @staticmethod
    def order(step: Array) -> Array:
        """Channels, outputs."""
        return np.swapaxes(step, -1, -2).reshape(*step.shape[:-2], -1)

    def step(self, size: int, inputs: Inputs, weights: Weights) -> None:
        eights = self.out * BLOCK // _HALF
        for half in range(BLOCK // _HALF):
            columns = [bind(inputs(t, half * _HALF, _HALF)) for t in range(size)]
            for channel in range(_HALF):
                first = (half * _HALF + channel) * self.out * BLOCK
                several = [bind(weights(first + eight * _HALF, _HALF)) for eight in range(eights)]
                for t in range(size):
                    same = T.Broadcast(element(columns[t], channel), _HALF)
                    for eight, vector in enumerate(several):
                        for part in range(2):
                            product = arm("int32x4", "smull", section(vector, part, 4), section(same, part, 4))
                            self._add(t * self.vectors + eight * 2 + part, product)


class PairProducts(ShortProducts):
    """PMADDWD: two channels of a column, broadcast, times two channels of every output of a vector."""

    @staticmethod
    def fits(isa: Isa, pixels: int, out: int) -> bool:
        vectors = out * BLOCK // isa.lanes(INT32)
        return pixels * vectors + vectors + 1 <= isa.registers

    @staticmethod
    def order(step: Array) -> Array:
        """Twos of channels, outputs, channels."""
        split = step.reshape(*step.shape[:-1], BLOCK // _PAIR, _PAIR)
        return np.moveaxis(split, -2, -3).reshape(*step.shape[:-2], -1)

    def step(self, size: int, inputs: Inputs, weights: Weights) -> None:
        width = _PAIR * self.lanes
        for two in range(BLOCK // _PAIR):
            first = two * _PAIR * self.out * BLOCK
            several = [bind(weights(first + v * width, width)) for v in range(self.vectors)]
            for t in range(size):
                pair = bits_as(INT32.value, inputs(t, two * _PAIR, _PAIR))
                same = bind(bits_as(f"int16x{width}", T.Broadcast(pair, self.lanes)))
                for v, vector in enumerate(several):
                    self._add(t * self.vectors + v, sums_of_twos(same, vector, self.lanes))


def short_products_of(isa: Isa) -> type[ShortProducts]:
    """The way in which ``isa`` multiplies int16."""
    return LaneProducts if isa.by_element else PairProducts


def pack_short_steps(weights: Array, out: int, way: type[ShortProducts]) -> Array:
    """(numbers, O, I) to (O / 16 out, numbers, I / 16, 256 out)."""
    numbers, filters, channels = weights.shape
    groups, inner = blocks(filters, BLOCK * out), blocks(channels, BLOCK)
    padded = pad_axis(pad_axis(weights, 1, groups * BLOCK * out), 2, inner * BLOCK)
    split = padded.reshape(numbers, groups, out * BLOCK, inner, BLOCK).transpose(1, 0, 3, 2, 4)
    packed = way.order(split)
    assert packed.shape[-1] == out * STEP
    return np.ascontiguousarray(packed, dtype=INT16.value)
