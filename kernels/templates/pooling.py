"""f32 max and average pooling on blocked channels, windows partly outside the map included.

1. Every block of channels is a task of its own; its map is cut into tiles of T pixels of one row.
2. A tile's windows are reduced down their columns first: neighbours share columns.
3. Then across. Taps outside the map are left out (``borders``), so that neither zeros nor infinities are needed; how
   many are left is known as the code is written, and so is what an average divides by.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, reduce

from tvm import tirx

from rdpass.kernels.builder.borders import Axis, Tile, each_tile
from rdpass.kernels.builder.emit import bind, broadcast, highest, parallel
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class PoolingTile:
    """The integer to tune: pixels of a tile."""

    pixels: int = 4


def pooling(pool: Pooling, tile: PoolingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), output (N, C/L, H' W', L). Every window covers some of the map."""
    lanes, count = isa.lanes, blocks(pool.channels, isa.lanes)
    top, left = pool.padding[:2]
    down = Axis(pool.height, pool.out_height, pool.stride[0], top, pool.kernel[0])
    across = Axis(pool.width, pool.out_width, pool.stride[1], left, pool.kernel[1])
    assert down.is_covered
    assert across.is_covered

    def write() -> None:
        x = argument("input", pool.batch, count, pool.height * pool.width, lanes)
        y = argument("output", pool.batch, count, pool.out_height * pool.out_width, lanes)
        with parallel(pool.batch, count, threads=threads) as (n, block):

            def reduce_tile(rows: Tile, columns: Tile) -> None:
                at = bind(rows.first * pool.out_width + columns.first)
                for t, value in enumerate(_values(pool, isa, x, (n, block), rows, columns)):
                    store(y, value, n, block, at + t, 0, lanes=lanes)

            each_tile(down, 1, lambda rows: each_tile(across, tile.pixels, lambda cols: reduce_tile(rows, cols)))

    return function(name, write)


def _values(pool: Pooling, isa: Isa, x: Buffer, of: tuple[Expr, Expr], rows: Tile, columns: Tile) -> Iterable[Expr]:
    """The reduced windows of a tile of one row."""
    seen = [bind(rows.input(i) * pool.width) for i in range(pool.kernel[0]) if rows.has(i)]

    @cache
    def column(offset: int) -> Expr:
        at = columns.input(offset)
        return bind(_reduced(pool, isa, [load(x, *of, row + at, 0, lanes=isa.lanes) for row in seen]))

    for t in range(columns.size):
        first = t * pool.stride[1]
        taps = [column(first + j) for j in range(pool.kernel[1]) if columns.has(first + j)]
        value = _reduced(pool, isa, taps)
        if pool.kind == "average":
            value = value * broadcast(1 / (pool.divisor or len(taps) * len(seen)), isa.lanes)
        yield value


def _reduced(pool: Pooling, isa: Isa, values: list[Expr]) -> Expr:
    return highest(values, isa) if pool.kind == "max" else reduce(operator.add, values)
