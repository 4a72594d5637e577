"""Max and average pooling of bytes, windows partly outside the map included.

Cut as the one of floats is (``pooling``): tiles of T pixels of a row, columns reduced first, taps outside left out. A
maximum stays bytes. An average is summed in int16 where so few bytes fit, and times one factor; there is a factor for
each number of taps that a window may have in the map, known as the code is written.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT16, INT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.borders import Axis, AxisTile, each_tile
from rdpass.kernels.builder.emit import bind, broadcast, parallel
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.intrinsics import section
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.requantization import Requantizer, scalars_argument
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.quantization import INPUT_ZERO, mean_factors
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import Isa

_FIT = 128
"""Bytes whose sum is an int16."""


@dataclass(frozen=True)
class IntegerPoolingTile(Tile):
    """The integer to tune: pixels of a tile."""

    pixels: int = 4


def integer_pooling(pool: Pooling, tile: IntegerPoolingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), for an average factors (taps) and scalars, output (N, C/16, H' W', 16).

    Every window covers some of the map.
    """
    types, count = pool.types, blocks(pool.channels, BLOCK)
    down, across = axes(pool)

    def write() -> None:
        x = argument("input", types.input, pool.batch, count, pool.height * pool.width, BLOCK)
        average = _Average(pool, isa) if pool.kind == "average" else None
        y = argument("output", types.output, pool.batch, count, pool.out_height * pool.out_width, BLOCK)
        with parallel(pool.batch, count, threads=threads) as (n, block):

            def reduce_tile(rows: AxisTile, columns: AxisTile) -> None:
                at = bind(rows.first * pool.out_width + columns.first)
                windows = _windows(pool, x, (n, block), rows, columns)
                for t, (value, taps) in enumerate(windows):
                    place = (n, block, at + t, 0)
                    if average is None:
                        store(y, value, *place, lanes=BLOCK)
                    else:
                        average.put(value, taps, y, place)

            each_tile(down, 1, lambda rows: each_tile(across, tile.pixels, lambda cols: reduce_tile(rows, cols)))

    return function(name, types.input, write)


def axes(pool: Pooling) -> tuple[Axis, Axis]:
    """Down and across the map."""
    top, left = pool.padding[:2]
    return (
        Axis(pool.height, pool.out_height, pool.stride[0], top, pool.kernel[0]),
        Axis(pool.width, pool.out_width, pool.stride[1], left, pool.kernel[1]),
    )


def _windows(
    pool: Pooling, x: Buffer, of: tuple[Expr, Expr], rows: AxisTile, columns: AxisTile
) -> Iterator[tuple[Expr, int]]:
    """The reduced windows of a tile of one row, and how many taps of each lie in the map."""
    seen = [bind(rows.input(i) * pool.width) for i in range(pool.kernel[0]) if rows.has(i)]
    wide = f"{INT16 if pool.kernel[0] * pool.kernel[1] <= _FIT else INT32}x{BLOCK}"
    joined: Callable[[Expr, Expr], Expr] = T.max if pool.kind == "max" else operator.add

    def pixel(at: Expr) -> Expr:
        value = load(x, *of, at, 0, lanes=BLOCK)
        return bind(value) if pool.kind == "max" else tirx.Cast(wide, value)

    @cache
    def column(offset: int) -> Expr:
        at = columns.input(offset)
        return bind(reduce(joined, [pixel(row + at) for row in seen]))

    for t in range(columns.size):
        first = t * pool.stride[1]
        taps = [column(first + j) for j in range(pool.kernel[1]) if columns.has(first + j)]
        yield bind(reduce(joined, taps)), len(taps) * len(seen)


class _Average:
    """What an average takes besides the map, and the way from sums of bytes to their mean."""

    def __init__(self, pool: Pooling, isa: Isa) -> None:
        self.pool = pool
        self.factors, self.scalars = argument("factors", FLOAT32, len(counts_of(pool))), scalars_argument()
        self.writer = Requantizer(pool.epilogue, isa, pool.types, self.factors, self.scalars)

    def put(self, value: Expr, taps: int, y: Buffer, place: tuple[Expr, ...]) -> None:
        """Store the mean of ``taps`` bytes, given their sum."""
        writer, lanes = self.writer, self.writer.lanes
        zeros = T.Broadcast(self.scalars[(INPUT_ZERO,)] * taps, lanes)
        totals = [tirx.Cast(f"int32x{lanes}", section(value, v, lanes)) - zeros for v in range(writer.vectors)]
        factor = self.factors[(0 if self.pool.divisor else taps - 1,)]
        writer.put(totals, [broadcast(factor, writer.vector)] * writer.vectors, y, place)


def counts_of(pool: Pooling) -> Array:
    """The numbers that an average may divide by."""
    return np.arange(1, pool.kernel[0] * pool.kernel[1] + 1) if pool.divisor == 0 else np.array([pool.divisor])


class IntegerPooling(Template[Pooling, IntegerPoolingTile]):
    name = "integer_pooling"
    workload = Pooling
    tile = IntegerPoolingTile
    types = INTEGERS

    def misfit(self, work: Pooling, machine: Machine) -> str | None:
        if work.kind == "max" and work.types.output is FLOAT32:
            return "the largest of bytes is a byte"
        return None if all(axis.is_covered for axis in axes(work)) else "a window lies outside the map"

    def tiles(self, work: Pooling, machine: Machine) -> Iterator[IntegerPoolingTile]:
        yield from (IntegerPoolingTile(pixels) for pixels in (4, 1, 2, 3, 6, 8) if pixels <= work.out_width)

    def default(self, work: Pooling, machine: Machine) -> IntegerPoolingTile:
        """Four pixels of a row, or as many as it has."""
        return IntegerPoolingTile(min(4, work.out_width))

    def build(
        self, work: Pooling, constants: Sequence[Any], tile: IntegerPoolingTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (kh, kw), stride = work.kernel, work.stride[0]
        shape = f"_{work.channels}_{work.height}x{work.width}_k{kh}x{kw}_s{stride}"
        name = kernel_name(f"{work.kind}_pool", work, shape, machine.isa)
        function = integer_pooling(work, tile, machine.isa, machine.threads, name)
        packed = [(mean_factors(by, counts_of(work)), by.scalars) for by in constants]
        return (kernel_of(work, machine, name, function, *(array for arrays in packed for array in arrays)),)

    def oracle(self, work: Pooling, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.pooling(work, constants, inputs)


INTEGER_POOLING = IntegerPooling()
