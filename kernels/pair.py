"""f32 1x1 convolution, activation, 1x1 convolution, activation in one kernel: the wide map between them never exists.

Only a network without shortcuts allows it: a block's last 1x1 and the next one's first meet with nothing in between.
For every block of pixels, and in it for every chunk of the wide map's channels:
1. The chunk's channels are computed for these pixels, into scratch that stays in cache.
2. Their share of the second convolution is added to the output; between chunks the sums wait there.

Threads take blocks of pixels or, where there are few, both steps' output groups.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.emit import (
    Buffer,
    Expr,
    Registers,
    argument,
    bind,
    function,
    load,
    parallel,
    scratch,
    serial,
    store,
    tiles,
    when,
)
from rdpass.kernels.finish import Finish
from rdpass.kernels.isa import Isa
from rdpass.kernels.microkernel import At, multiply_block
from rdpass.kernels.packing import blocks
from rdpass.kernels.pointwise import other_argument, spans
from rdpass.kernels.workload import PointwisePair


@dataclass(frozen=True)
class PairTile:
    """The integers to tune: pixels and vectors of the register tile, pixels of a block, chunks of the wide map;
    ``groups_parallel``: threads share a block.
    """

    pixels: int = 8
    vectors: int = 2
    block: int = 56
    chunks: int = 1
    groups_parallel: bool = False


def pointwise_pair(pair: PointwisePair, tile: PairTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L), then weights (groups, C/L, L, V L) and table (rows, groups V L) of the first and
    of the second convolution, the map to add (where there is one and it is not the output), output (N, F/L, P, L).
    """
    first, second = pair.first, pair.second
    lanes, width = isa.lanes, tile.vectors * isa.lanes
    inner, middle, outer = (blocks(c, lanes) for c in (first.channels, first.filters, second.filters))
    wide, groups = blocks(middle, tile.vectors), blocks(outer, tile.vectors)
    assert wide % tile.chunks == 0
    # Sums that wait in the output need all of their group's channels there, and nobody else's numbers.
    assert tile.chunks == 1 or (outer % tile.vectors == 0 and not second.epilogue.in_place)
    assert not first.epilogue.add
    pixels = first.height * first.width
    block = min(tile.block, pixels)
    chunk = wide // tile.chunks
    # The last group of the wide map may be padded; the second convolution's weights have zeros there.
    depth = chunk * tile.vectors

    def write() -> None:
        x = argument("input", first.batch, inner, pixels, lanes)
        w1 = argument("weights_1", wide, inner, lanes, width)
        table1 = argument("table_1", first.epilogue.rows, wide * width)
        w2 = argument("weights_2", groups, wide * tile.vectors, lanes, width)
        table2 = argument("table_2", second.epilogue.rows, groups * width)
        other = other_argument(second, outer, pixels, lanes)
        y = argument("output", first.batch, outer, pixels, lanes)
        narrow, final = Finish(first.epilogue, isa, table1), Finish(second.epilogue, isa, table2, other)

        def widen(hidden: Buffer, sums: Registers, n: Expr, begin: Expr, count: int, of: Expr, turn: Expr) -> None:
            group = bind(of * chunk + turn)

            def product(offset: Expr, size: int) -> None:
                shape = (size, tile.vectors)
                narrow.start(sums, shape, group)
                with serial(inner) as k:
                    multiply_block(
                        sums, isa, shape,
                        lambda t: (x, (n, k, begin + offset + t)),
                        lambda c, v: load(w1, group, k, c, v * lanes, lanes=lanes),
                    )  # fmt: skip
                narrow.end(sums, shape, turn, depth, hidden, lambda t, block: (block, offset + t, 0), table_group=group)

            tiles(count, tile.pixels, product)

        def shrink(hidden: Buffer, sums: Registers, n: Expr, begin: Expr, count: int, of: Expr, group: Expr) -> None:
            def product(offset: Expr, size: int) -> None:
                shape, at = (size, tile.vectors), bind(begin + offset)

                def waiting(v: int, t: int) -> tuple[Expr, ...]:
                    return n, group * tile.vectors + v, at + t, 0

                def resume() -> None:
                    for v in range(tile.vectors):
                        for t in range(size):
                            sums[t * tile.vectors + v] = load(y, *waiting(v, t), lanes=lanes)

                def suspend() -> None:
                    for v in range(tile.vectors):
                        for t in range(size):
                            store(y, sums[t * tile.vectors + v], *waiting(v, t), lanes=lanes)

                def complete() -> None:
                    final.end(sums, shape, group, outer, y, lambda t, block: (n, block, at + t, 0))

                is_first = True if tile.chunks == 1 else of == 0
                is_last = True if tile.chunks == 1 else of == tile.chunks - 1
                when(is_first, lambda: final.start(sums, shape, group), resume)
                with serial(depth) as k:
                    multiply_block(
                        sums, isa, shape,
                        lambda t: _pixel(hidden, k, offset + t),
                        lambda c, v: load(w2, group, of * depth + k, c, v * lanes, lanes=lanes),
                    )  # fmt: skip
                when(is_last, complete, suspend)

            tiles(count, tile.pixels, product)

        inside = threads if tile.groups_parallel else 1
        for start, number, count in spans(pixels, block):
            with parallel(first.batch, number, threads=1 if tile.groups_parallel else threads) as (n, index):
                begin = bind(start + index * block)
                hidden = scratch(depth, count, lanes)
                with serial(tile.chunks) as of:
                    for extent, step in ((chunk, widen), (groups, shrink)):
                        with parallel(extent, threads=inside) as (turn,):
                            sums = Registers(tile.pixels * tile.vectors, lanes)
                            step(hidden, sums, n, begin, count, of, turn)

    return function(name, write)


def _pixel(buffer: Buffer, k: Expr, pixel: Expr) -> At:
    return buffer, (k, pixel)
