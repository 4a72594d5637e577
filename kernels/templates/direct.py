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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.optimization import SPEED
from rdpass.kernels import reference
from rdpass.kernels.builder.chunked_sums import add_in_chunks
from rdpass.kernels.builder.emit import Registers, bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Expr, argument, function, load
from rdpass.kernels.builder.packing import (
    blocks,
    dense_numbers,
    merge_groups,
    merged_groups,
    pack_dense,
    pack_grouped_table,
)
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.builder.row_buffer import RowBuffer
from rdpass.kernels.cost_model import HOLDS, KEEPS, busiest_share, map_bytes, product_cycles, space_price
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import few_rows, fitting, row_cuts
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class DirectTile(Tile):
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
    vector = isa.vector(conv.types.accumulator)
    lanes = vector.lanes
    inner, outer = blocks(conv.channels // conv.groups, lanes), blocks(conv.filters // conv.groups, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.splits == 0
    (kh, kw), (dh, dw), (sh, sw), (down, across) = conv.kernel, conv.dilation, conv.stride, conv.subpixel
    own, width = conv.groups * conv.subpixels, conv.out_width
    pixels = conv.out_height * down * width * across

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, inner * conv.groups, conv.height * conv.width, lanes)
        w = argument("weights", conv.types.weight, own, groups, inner, kh, kw, lanes, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, own * groups * tile.vectors * lanes)
        other = other_argument(conv.epilogue, conv.types.output, conv.batch, outer * conv.groups, pixels, lanes)
        y = argument("output", conv.types.output, conv.batch, outer * conv.groups, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table, other)

        def weight(of: Expr, group: Expr, k: Expr, i: Expr, j: int, c: Expr, v: int) -> Expr:
            return load(w, of, group, k, i, j, c, v * lanes, lanes=lanes)

        def cover(n: Expr, of: Expr, first: Expr, count: int, split: Expr) -> None:
            row_buffer = RowBuffer(conv, count, inner, vector)
            rows = row_buffer.allocate()
            sums = Registers(tile.pixels * tile.vectors, vector)
            group_of, subpixel = (of, 0) if conv.subpixels == 1 else (0, of)
            row_buffer.fill(rows, x, n, group_of * inner, first)
            down_by, across_by = tirx.floordiv(subpixel, across), tirx.floormod(subpixel, across)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)
                with serial(count) as row:

                    def product(begin: Expr, size: int) -> None:
                        shape = (size, tile.vectors)

                        def add(k: Expr) -> None:
                            with serial(kh) as i:
                                for j in range(kw):

                                    def pixel(t: int, j: int = j) -> At:
                                        return rows, (k, row * sh + i * dh, (begin + t) * sw + j * dw)

                                    multiply_block(sums, isa, shape, pixel, partial(weight, of, group, k, i, j))

                        writer.start(sums, shape, of * groups + group)
                        add_in_chunks(sums, size * tile.vectors, inner, kh * kw * lanes, add)
                        at = bind((((first + row) * down + down_by) * width + begin) * across + across_by)

                        def position(t: int, block: Expr) -> tuple[Expr, ...]:
                            return n, group_of * outer + block, at + t * across, 0

                        writer.end(sums, shape, group, outer, y, position, table_group=of * groups + group)

                    tiles(width, tile.pixels, product)

        for begin, number, count in spans(conv.out_height, tile.rows):
            with parallel(conv.batch, own, tile.splits, number, threads=threads) as (n, of, split, index):
                cover(n, of, bind(begin + index * count), count, split)

    return function(name, conv.types.accumulator, write)


class Direct(Template[Convolution, DirectTile]):
    name = "direct"
    workload = Convolution
    tile = DirectTile
    types = FLOATS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return no_direct_window(work)

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[DirectTile]:
        outer = blocks(work.filters // work.groups, machine.isa.block(work.types.input))
        for size, vectors in fitting(work.out_width, outer, machine.isa):
            for rows, splits in row_cuts(work, blocks(outer, vectors), machine):
                yield DirectTile(size, vectors, rows, splits)

    def default(self, work: Convolution, machine: Machine) -> DirectTile | None:
        """The best tile; where size counts, with the fewest rows copied at once that cost as good as nothing more."""
        best = super().default(work, machine)
        if best is None or machine.optimize == SPEED:
            return best
        numbers = {tile.rows for tile in self.tiles(work, machine)}
        costs = {rows: self.cost(work, replace(best, rows=rows), machine) for rows in numbers}
        return replace(best, rows=few_rows(costs, costs[best.rows]))

    def cost(self, work: Convolution, tile: DirectTile, machine: Machine) -> float:
        kh, kw = work.kernel
        own = work.groups * work.subpixels  # each with weights, and a pass over the input, of its own
        lanes = machine.isa.block(work.types.input)
        inner, outer = (blocks(of // work.groups, lanes) * lanes for of in (work.channels, work.filters))
        row = product_cycles((tile.pixels, tile.vectors), work.out_width, inner, outer, work.types, machine) * kh * kw
        passes = -(-work.out_height // tile.rows) * work.batch
        high = (tile.rows - 1) * work.stride[0] + work.reach[0]
        wide = (work.out_width - 1) * work.stride[1] + work.reach[1]
        numbers = high * wide * inner
        rows = work.types.input.size((numbers,))
        copying = 2 * numbers / lanes * passes * own * tile.splits
        weights = work.types.weight.size((kh, kw, inner, outer, own))
        whole = work.types.input.size((work.channels, work.height, work.width))
        # Every split reads the input anew, from memory where it does not stay in L2 beside the split's weights.
        reread = (tile.splits - 1) * whole if whole + weights // tile.splits > HOLDS * machine.l2 else 0
        stays = (weights // tile.splits) + rows <= HOLDS * machine.l2
        groups = blocks(outer // lanes, tile.vectors)
        # Every group reads the copied rows again, from memory where they do not stay in L2.
        again = 0 if rows + weights // groups <= KEEPS * machine.l2 else rows * groups * passes * own
        read = map_bytes(work) + reread + weights * (1 if stays else passes) + again
        traffic = read / machine.bandwidth + space_price(rows, machine)
        cycles = row * work.out_height * work.batch * own + copying
        full, last = divmod(work.out_height, tile.rows)
        apart = work.batch * own * tile.splits
        share = full * tile.rows * busiest_share(full * apart, machine) + last * busiest_share(apart, machine)
        return cycles * share / work.out_height + traffic

    def weight_bytes(self, work: Convolution, tile: DirectTile, machine: Machine) -> int:
        lanes = machine.isa.block(work.types.input)
        groups = merged_groups(work.channels, work.filters, work.groups, lanes)
        one = dense_numbers(work.filters // groups, work.channels // groups, lanes, tile.vectors * lanes)
        return work.types.weight.size((groups * work.subpixels, *work.kernel, one))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: DirectTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        weights, groups = merge_groups(weights, work.groups, lanes)
        merged = replace(work, groups=groups)
        name = convolution_name(self.name, merged, (tile.pixels, tile.vectors), machine.isa)
        function = direct(merged, tile, machine.isa, machine.threads, name)
        own = groups * work.subpixels
        packed = np.stack([pack_dense(of, lanes, width, work.types.weight) for of in np.split(weights, own)])
        table = pack_grouped_table(rows, own, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.convolution(work, constants, inputs)


def no_direct_window(work: Convolution) -> str | None:
    """The reason why another kernel computes it, of floats and of bytes; None where none does."""
    if work.is_pointwise:
        return "a 1x1 window without padding is a matrix product"
    if work.is_depthwise:
        return "a group for every channel leaves nothing to sum over"
    return "groups and subpixels at once" if work.groups > 1 and work.subpixels > 1 else None


DIRECT = Direct()
