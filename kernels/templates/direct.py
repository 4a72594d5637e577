"""f32 k x k convolution, direct: any stride, dilation and groups, on blocked channels.

1. The rows of input that R rows of output need are copied, with their border (``row_buffer``).
2. Output channels are cut into splits, whose weights stay in cache over all rows, and these into groups of V vectors.
   For a group, every row is cut into tiles of T pixels.
3. A tile is summed in registers over all input channels and taps. The taps of a row of the window are unrolled, so
   that pixels which neighbouring taps share are loaded once.

A grouped convolution comes with groups of whole blocks (``packing.merge_groups``). Where a window
gives several pixels, each of these is computed like a group, from all channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tvm import tirx

from rdpass.kernels.builder.emit import Registers, bind, parallel, serial, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.builder.row_buffer import RowBuffer
from rdpass.kernels.templates.pointwise import other_argument, spans
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class DirectTile:
    """The integers to tune: pixels and vectors of the register tile, rows copied at once, splits of output groups."""

    pixels: int = 8
    vectors: int = 2
    rows: int = 1
    splits: int = 1


def direct(conv: Convolution, tile: DirectTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (G, groups, C/G/L, KH, KW, L, V L), table (rows, G groups V L), the
    map to add (where there is one and it is not the output), output (N, F/L, H' W', L). G: its groups, or subpixels.
    """
    assert conv.groups == 1 or conv.subpixels == 1
    lanes = isa.lanes
    inner, outer = blocks(conv.channels // conv.groups, lanes), blocks(conv.filters // conv.groups, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.splits == 0
    (kh, kw), (dh, dw), (sh, sw), (down, across) = conv.kernel, conv.dilation, conv.stride, conv.subpixel
    own, width = conv.groups * conv.subpixels, conv.out_width
    pixels = conv.out_height * down * width * across

    def write() -> None:
        x = argument("input", conv.batch, inner * conv.groups, conv.height * conv.width, lanes)
        w = argument("weights", own, groups, inner, kh, kw, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, own * groups * tile.vectors * lanes)
        other = other_argument(conv, outer * conv.groups, pixels, lanes)
        y = argument("output", conv.batch, outer * conv.groups, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, table, other)

        def weight(of: Expr, group: Expr, k: Expr, i: Expr, j: int, c: Expr, v: int) -> Expr:
            return load(w, of, group, k, i, j, c, v * lanes, lanes=lanes)

        def cover(n: Expr, of: Expr, first: Expr, count: int, split: Expr) -> None:
            row_buffer = RowBuffer(conv, count, inner, lanes)
            rows = row_buffer.allocate()
            sums = Registers(tile.pixels * tile.vectors, lanes)
            group_of, subpixel = (of, 0) if conv.subpixels == 1 else (0, of)
            row_buffer.fill(rows, x, n, group_of * inner, first)
            down_by, across_by = tirx.floordiv(subpixel, across), tirx.floormod(subpixel, across)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)
                with serial(count) as row:

                    def product(begin: Expr, size: int) -> None:
                        shape = (size, tile.vectors)
                        writer.start(sums, shape, of * groups + group)
                        with serial(inner) as k, serial(kh) as i:
                            for j in range(kw):

                                def pixel(t: int, j: int = j) -> At:
                                    return rows, (k, row * sh + i * dh, (begin + t) * sw + j * dw)

                                multiply_block(
                                    sums, isa, shape, pixel,
                                    partial(weight, of, group, k, i, j),
                                )  # fmt: skip
                        at = bind((((first + row) * down + down_by) * width + begin) * across + across_by)

                        def position(t: int, block: Expr) -> tuple[Expr, ...]:
                            return n, group_of * outer + block, at + t * across, 0

                        writer.end(sums, shape, group, outer, y, position, table_group=of * groups + group)

                    tiles(width, tile.pixels, product)

        for begin, number, count in spans(conv.out_height, tile.rows):
            with parallel(conv.batch, own, tile.splits, number, threads=threads) as (n, of, split, index):
                cover(n, of, bind(begin + index * count), count, split)

    return function(name, write)
