"""f32 k x k convolution, direct: any stride, dilation and groups, on blocked channels.

1. A strip of input for R rows of output is copied, with its border.
2. Output channels are cut into parts, whose weights stay in cache over all strips, and these into groups of V vectors.
   For a group, every row is cut into tiles of T pixels.
3. A tile is summed in registers over all input channels and taps. The taps of a row of the window are unrolled, so
   that pixels which neighbouring taps share are loaded once.

A grouped convolution comes with groups of whole blocks (``packing.merge_groups``). Of one that is spread every phase is
computed like a group, from all channels, and goes to its own pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tvm import tirx

from rdpass.kernels.builder.emit import Registers, bind, parallel, serial, tiles
from rdpass.kernels.builder.epilogue import Finish
from rdpass.kernels.builder.function import Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.builder.row_buffer import Strip
from rdpass.kernels.templates.pointwise import other_argument, spans
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class DirectTile:
    """The integers to tune: pixels and vectors of the register tile, rows of a strip, parts of the output groups."""

    pixels: int = 8
    vectors: int = 2
    rows: int = 1
    parts: int = 1


def direct(conv: Convolution, tile: DirectTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (G, groups, C/G/L, KH, KW, L, V L), table (rows, G groups V L), the
    map to add (where there is one and it is not the output), output (N, F/L, H' W', L). G: its own groups, or phases.
    """
    assert conv.groups == 1 or conv.phases == 1
    lanes = isa.lanes
    inner, outer = blocks(conv.channels // conv.groups, lanes), blocks(conv.filters // conv.groups, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.parts == 0
    (kh, kw), (dh, dw), (sh, sw), (down, across) = conv.kernel, conv.dilation, conv.stride, conv.spread
    own, width = conv.groups * conv.phases, conv.out_width
    pixels = conv.out_height * down * width * across

    def write() -> None:
        x = argument("input", conv.batch, inner * conv.groups, conv.height * conv.width, lanes)
        w = argument("weights", own, groups, inner, kh, kw, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, own * groups * tile.vectors * lanes)
        other = other_argument(conv, outer * conv.groups, pixels, lanes)
        y = argument("output", conv.batch, outer * conv.groups, pixels, lanes)
        finish = Finish(conv.epilogue, isa, table, other)

        def weight(of: Expr, group: Expr, k: Expr, i: Expr, j: int, c: Expr, v: int) -> Expr:
            return load(w, of, group, k, i, j, c, v * lanes, lanes=lanes)

        def cover(n: Expr, of: Expr, first: Expr, count: int, part: Expr) -> None:
            strip = Strip(conv, count, inner, lanes)
            rows = strip.allocate()
            sums = Registers(tile.pixels * tile.vectors, lanes)
            group_of, phase = (of, 0) if conv.phases == 1 else (0, of)
            strip.fill(rows, x, n, group_of * inner, first)
            down_by, across_by = tirx.floordiv(phase, across), tirx.floormod(phase, across)
            with serial(groups // tile.parts) as turn:
                group = bind(part * (groups // tile.parts) + turn)
                with serial(count) as row:

                    def product(begin: Expr, size: int) -> None:
                        shape = (size, tile.vectors)
                        finish.start(sums, shape, of * groups + group)
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

                        finish.end(sums, shape, group, outer, y, position, table_group=of * groups + group)

                    tiles(width, tile.pixels, product)

        for begin, number, count in spans(conv.out_height, tile.rows):
            with parallel(conv.batch, own, tile.parts, number, threads=threads) as (n, of, part, index):
                cover(n, of, bind(begin + index * count), count, part)

    return function(name, write)
