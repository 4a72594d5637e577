"""A register tile of integer products with its epilogue, and what both read besides the map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT32, NumericType, NumericTypes
from rdpass.kernels.builder.emit import bind, when
from rdpass.kernels.builder.function import Buffer, Expr, argument, load
from rdpass.kernels.builder.integer_products import BLOCK, At, Walk, products_of
from rdpass.kernels.builder.intrinsics import arm, section
from rdpass.kernels.builder.packing import pack_grouped_table
from rdpass.kernels.builder.requantization import Requantizer, scalars_argument
from rdpass.kernels.quantization import INPUT_ZERO, SHORT, Requantization, Short, what_is_short
from rdpass.kernels.workload import Epilogue
from rdpass.targets.isa import Isa

Position = Callable[[int, Expr], tuple[Expr, ...]]
"""The index, in the output, of the first lane of pixel ``t`` in a block of channels."""


@dataclass(frozen=True)
class Numbers:
    """Arguments of every integer kernel: biases and factors of all output channels, padded, and the scalars."""

    bias: Buffer
    factors: Buffer
    scalars: Buffer

    @staticmethod
    def arguments(size: int, suffix: str = "") -> Numbers:
        return Numbers(
            argument(f"bias{suffix}", INT32, size),
            argument(f"factors{suffix}", FLOAT32, size),
            scalars_argument(suffix),
        )

    def border(self, byte: NumericType, channels: int = BLOCK) -> Expr:
        """So many zeros of the input: what lies around a map."""
        return bind(T.Broadcast(tirx.Cast(byte.value, self.scalars[(INPUT_ZERO,)]), channels))


class IntegerTile:
    """Sums and stores tiles of at most ``pixels`` x ``out`` blocks of sixteen channels.

    ``short``: what is short of the layer; where sums are, biases start from ``quantization.SHORT``.
    """

    def __init__(
        self, isa: Isa, types: NumericTypes, epilogue: Epilogue, size: tuple[int, int], numbers: Numbers,
        other: Buffer | None = None, short: Short = Short.NOTHING,
    ) -> None:  # fmt: skip
        self.pixels, self.out = size
        self.products = products_of(isa, types)(isa, self.pixels, self.out)
        self.writer = Requantizer(epilogue, isa, types, numbers.factors, numbers.scalars, other, short=short)
        self.bias = numbers.bias

    def write(
        self, size: int, group: Expr, blocks: int, walk: Walk, out: Buffer, position: Position,
        table_group: Expr | None = None, diagonal: Diagonal | None = None,
    ) -> None:  # fmt: skip
        """Sum ``size`` pixels of a group of output channels and store what becomes of them.

        The last group may reach beyond the ``blocks`` of channels that there are. ``table_group``: the group's place in
        the table, where that is another one. ``diagonal``: what is added to the sums.
        """
        place = group if table_group is None else table_group
        lanes, products = self.products.lanes, self.products

        def bias(v: int) -> Expr:
            return load(self.bias, place * (self.out * BLOCK) + v * lanes, lanes=lanes)

        products.compute(size, bias, walk)

        def store(b: int, block: Expr) -> None:
            rows = self.writer.rows(place * self.out + b)
            wide = None if diagonal is None else diagonal.weights_of(block, products.isa)
            with self.writer.together():
                for t in range(size):
                    total = products.total(t, b)
                    if wide is not None and diagonal is not None:
                        total = diagonal.added(total, wide, t, block, products.isa)
                    self.writer.put(total, rows, out, position(t, block))

        for b in range(self.out):
            block = bind(group * self.out + b)
            when(block < blocks if blocks % self.out else True, partial(store, b, block))


@dataclass(frozen=True)
class Diagonal:
    """Weights of 16 bits (padded filters), each for its filter's own channel, whose pixel ``at(t, block)`` is."""

    weights: Buffer
    at: Callable[[int, Expr], At]

    def weights_of(self, block: Expr, isa: Isa) -> list[Expr]:
        """Those of a block of channels: in int16 halves where products widen, else in vectors of int32."""
        if isa.by_element:
            return [bind(load(self.weights, block * BLOCK + half * 8, lanes=8)) for half in (0, 1)]
        lanes = isa.lanes(INT32)
        several = (load(self.weights, block * BLOCK + v * lanes, lanes=lanes) for v in range(BLOCK // lanes))
        return [bind(tirx.Cast(f"int32x{lanes}", vector)) for vector in several]

    def added(self, total: list[Expr], weights: list[Expr], t: int, block: Expr, isa: Isa) -> list[Expr]:
        """Sums of sixteen channels with the products of pixel ``t``."""
        buffer, index = self.at(t, block)
        if not isa.by_element:
            lanes = isa.lanes(INT32)
            parts = (load(buffer, *index, v * lanes, lanes=lanes) for v in range(BLOCK // lanes))
            wide = [tirx.Cast(f"int32x{lanes}", part) for part in parts]
            return [bind(sums + w * x) for sums, w, x in zip(total, weights, wide, strict=True)]
        pixel = bind(load(buffer, *index, 0, lanes=BLOCK))
        halves = [bind(tirx.Cast("int16x8", section(pixel, half, 8))) for half in (0, 1)]
        quarters = [(section(weights[v // 2], v % 2, 4), section(halves[v // 2], v % 2, 4)) for v in range(4)]
        products = (arm("int32x4", "smull", *pair) for pair in quarters)
        return [bind(sums + product) for sums, product in zip(total, products, strict=True)]


def short_of(isa: Isa, constants: Sequence[Any], byte: NumericType) -> Short:
    """What a kernel makes use of being short, given a layer's weights, biases and requantization.

    Cores since ARMv8.2 convert between integers and floats slower than they add.
    """
    weights, bias, by = constants
    adds = any(multiply.instruction == "SDOT" for multiply in isa.multiplies)
    return what_is_short(weights, bias, by, byte) if adds else Short.NOTHING


def split_diagonal(weights: Array) -> tuple[Array, Array]:
    """Weights of a square convolution as bytes, without their diagonal, and that: one number a filter."""
    own = np.arange(len(weights))
    middle = own, own, *(np.full(len(own), size // 2) for size in weights.shape[2:])
    rest = weights.copy()
    rest[middle] = 0
    return rest.astype(np.int8), weights[middle].astype(np.int16)


def pack_numbers(
    weights: Array, bias: Array, by: Requantization, groups: int, width: int, short: Short = Short.NOTHING
) -> tuple[Array, Array, Array]:
    """What ``Numbers.arguments`` takes, each of ``groups`` padded to whole ``width`` channels by itself.

    ``short``: short sums start from ``quantization.SHORT``. The zero of the input is in the bias: the sum of
    weight x (q - zero) is that of weight x q less zero x weight.
    """
    whole = bias.astype(np.int64) - by.input_zero * weights.astype(np.int64).reshape(len(weights), -1).sum(axis=1)
    start = np.int32(SHORT if short is Short.SUMS else 0)
    return (
        pack_grouped_table([whole.astype(np.int32)], groups, width, INT32)[0] + start,
        pack_grouped_table([by.factors], groups, width, FLOAT32)[0],
        by.scalars,
    )
