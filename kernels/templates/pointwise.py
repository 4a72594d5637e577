"""f32 1x1 convolution: a matrix product on blocked channels, tiled in registers.

1. Pixels are cut into blocks, so that a block's input stays in cache over all output channels. With a stride a block is
   one row of the output.
2. Output channels are cut into groups of V vectors, whose weights stay in cache over the block's pixels. Splits of
   the groups may go to different threads.
3. A tile of T pixels x V vectors is summed over all input channels in registers.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.builder.emit import Registers, bind, parallel, serial, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class PointwiseTile:
    """The integers to tune: pixels and vectors of the register tile, pixels of a block, splits of the output groups."""

    pixels: int = 8
    vectors: int = 2
    block: int = 56
    splits: int = 1


def pointwise(conv: Convolution, tile: PointwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, C/L, L, V L), table (rows, groups V L), the map to add (where
    there is one and it is not the output), output (N, F/L, H' W', L).
    """
    assert conv.is_pointwise
    lanes = isa.lanes
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.splits == 0
    pixels = conv.out_height * conv.out_width
    block = pixel_block(conv, tile)

    def write() -> None:
        x = argument("input", conv.batch, inner, conv.height * conv.width, lanes)
        w = argument("weights", groups, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv, outer, pixels, lanes)
        y = argument("output", conv.batch, outer, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, table, other)

        def cover(n: Expr, first: Expr, count: int, split: Expr) -> None:
            sums = Registers(tile.pixels * tile.vectors, lanes)
            source = first if conv.stride == (1, 1) else bind(tirx.floordiv(first, block) * conv.stride[0] * conv.width)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)

                def product(offset: Expr, size: int) -> None:
                    at, begin = bind(first + offset), bind(source + offset * conv.stride[1])
                    shape = (size, tile.vectors)

                    def pixel(k: Expr, t: int) -> At:
                        return x, (n, k, begin + t * conv.stride[1])

                    writer.start(sums, shape, group)
                    with serial(inner) as k:
                        multiply_block(
                            sums, isa, shape,
                            lambda t: pixel(k, t),
                            lambda c, v: load(w, group, k, c, v * lanes, lanes=lanes),
                        )  # fmt: skip
                    writer.end(sums, shape, group, outer, y, lambda t, block: (n, block, at + t, 0))

                tiles(count, tile.pixels, product)

        for begin, number, count in spans(pixels, block):
            with parallel(conv.batch, number, tile.splits, threads=threads) as (n, index, split):
                cover(n, bind(begin + index * block), count, split)

    return function(name, write)


def pixel_block(conv: Convolution, tile: PointwiseTile) -> int:
    """Pixels of a block: a row of the output, where the convolution has a stride."""
    return conv.out_width if conv.stride != (1, 1) else min(tile.block, conv.out_height * conv.out_width)


def spans(extent: int, block: int) -> list[tuple[int, int, int]]:
    """(begin, number of blocks, size of a block): the full blocks, then what is left over."""
    full, rest = divmod(extent, block)
    return [(0, full, block)] * bool(full) + [(full * block, 1, rest)] * bool(rest)


def other_argument(conv: Convolution, outer: int, pixels: int, lanes: int) -> Buffer | None:
    """The map that the epilogue adds, where it is not the output's own buffer."""
    if not conv.epilogue.add or conv.epilogue.in_place:
        return None
    return argument("other", conv.batch, outer, pixels, lanes)
