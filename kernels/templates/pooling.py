"""f32 max and average pooling on blocked channels, windows partly outside the map included.

1. Every block of channels is a task of its own; its map is cut into tiles of T pixels of one row.
2. A tile's windows are reduced down their columns first: neighbours share columns.
3. Then across. Taps outside the map are left out (``borders``), so that neither zeros nor infinities are needed; how
   many are left is known as the code is written, and so is what an average divides by.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.borders import Axis, AxisTile, each_tile
from rdpass.kernels.builder.emit import bind, broadcast, highest, parallel
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class PoolingTile(Tile):
    """The integer to tune: pixels of a tile."""

    pixels: int = 4


def pooling(pool: Pooling, tile: PoolingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), output (N, C/L, H' W', L). Every window covers some of the map."""
    lanes = isa.block(pool.types.input)
    count = blocks(pool.channels, lanes)
    down, across = _axes(pool)
    assert down.is_covered
    assert across.is_covered

    def write() -> None:
        x = argument("input", pool.types.input, pool.batch, count, pool.height * pool.width, lanes)
        y = argument("output", pool.types.output, pool.batch, count, pool.out_height * pool.out_width, lanes)
        with parallel(pool.batch, count, threads=threads) as (n, block):

            def reduce_tile(rows: AxisTile, columns: AxisTile) -> None:
                at = bind(rows.first * pool.out_width + columns.first)
                for t, value in enumerate(_values(pool, isa, x, (n, block), rows, columns)):
                    store(y, value, n, block, at + t, 0, lanes=lanes)

            each_tile(down, 1, lambda rows: each_tile(across, tile.pixels, lambda cols: reduce_tile(rows, cols)))

    return function(name, pool.types.accumulator, write)


def _axes(pool: Pooling) -> tuple[Axis, Axis]:
    """Down and across the map."""
    top, left = pool.padding[:2]
    return (
        Axis(pool.height, pool.out_height, pool.stride[0], top, pool.kernel[0]),
        Axis(pool.width, pool.out_width, pool.stride[1], left, pool.kernel[1]),
    )


def _values(
    pool: Pooling, isa: Isa, x: Buffer, of: tuple[Expr, Expr], rows: AxisTile, columns: AxisTile
) -> Iterable[Expr]:
    """The reduced windows of a tile of one row."""
    vector = isa.vector(pool.types.accumulator)
    seen = [bind(rows.input(i) * pool.width) for i in range(pool.kernel[0]) if rows.has(i)]

    @cache
    def column(offset: int) -> Expr:
        at = columns.input(offset)
        return bind(_reduced(pool, isa, [load(x, *of, row + at, 0, lanes=vector.lanes) for row in seen]))

    for t in range(columns.size):
        first = t * pool.stride[1]
        taps = [column(first + j) for j in range(pool.kernel[1]) if columns.has(first + j)]
        value = _reduced(pool, isa, taps)
        if pool.kind == "average":
            value = value * broadcast(1 / (pool.divisor or len(taps) * len(seen)), vector)
        yield value


def _reduced(pool: Pooling, isa: Isa, values: list[Expr]) -> Expr:
    return (
        highest(values, isa, isa.vector(pool.types.accumulator)) if pool.kind == "max" else reduce(operator.add, values)
    )


class PoolingTemplate(Template[Pooling, PoolingTile]):
    name = "pooling"
    workload = Pooling
    tile = PoolingTile
    types = FLOATS

    def misfit(self, work: Pooling, machine: Machine) -> str | None:
        return None if all(axis.is_covered for axis in _axes(work)) else "a window lies outside the map"

    def tiles(self, work: Pooling, machine: Machine) -> Iterator[PoolingTile]:
        yield from (PoolingTile(pixels) for pixels in (4, 1, 2, 3, 6, 8) if pixels <= work.out_width)

    def default(self, work: Pooling, machine: Machine) -> PoolingTile:
        """Four pixels of a row, or as many as it has."""
        return PoolingTile(min(4, work.out_width))

    def build(self, work: Pooling, constants: Sequence[Any], tile: PoolingTile, machine: Machine) -> tuple[Kernel, ...]:
        (kh, kw), stride = work.kernel, work.stride[0]
        shape = f"_{work.channels}_{work.height}x{work.width}_k{kh}x{kw}_s{stride}"
        name = kernel_name(f"{work.kind}_pool", work, shape, machine.isa)
        return (kernel_of(work, machine, name, pooling(work, tile, machine.isa, machine.threads, name)),)

    def oracle(self, work: Pooling, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.pooling(work, constants, inputs)


POOLING = PoolingTemplate()
