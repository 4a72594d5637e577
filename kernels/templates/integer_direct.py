"""Integer k x k convolution, direct: any stride, dilation and groups, bytes times bytes, stored as bytes again.

Cut as the one of floats is (``direct``): the rows of input that R rows of output need are copied, with the input's zero
as their border; a group of B blocks of sixteen output channels goes over them in tiles of T pixels, each summed in
int32 registers over all input channels and taps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT16
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Expr, argument, function
from rdpass.kernels.builder.integer_products import BLOCK, STEP, At, Walk, pack_steps, products_of
from rdpass.kernels.builder.integer_tile import Diagonal, IntegerTile, Numbers, pack_numbers, short_of, split_diagonal
from rdpass.kernels.builder.packing import blocks, dense_numbers, merge_groups, merged_groups, pack_grouped_table
from rdpass.kernels.builder.row_buffer import RowBuffer
from rdpass.kernels.cost_model import HOLDS, busiest_share, integer_cycles, map_bytes, space_price
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.quantization import Short
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.templates.direct import no_direct_window
from rdpass.kernels.tile_space import few_rows, fitting_integers, row_cuts
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa, Vector

_TOGETHER = 3
"""Taps of a row that are written out together at most, so that pixels which several of them read are loaded once."""


@dataclass(frozen=True)
class IntegerDirectTile(Tile):
    """The integers to tune: pixels and blocks of outputs of a register tile, rows copied at once, splits of groups."""

    pixels: int = 4
    out: int = 1
    rows: int = 1
    splits: int = 1


def integer_direct(
    conv: Convolution, tile: IntegerDirectTile, isa: Isa, threads: int, name: str, short: Short = Short.NOTHING
) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), weights (G, groups, C/G/16, KH, KW, 256 B), biases and factors
    (G groups 16 B), scalars, the diagonal's weights (groups 16 B) where there are such, the map to add (where there is
    one and it is not the output), output (N, F/16, H' W', 16). G: its groups, or subpixels. ``short``: what is short
    of its numbers.
    """
    types = conv.types
    assert conv.groups == 1 or conv.subpixels == 1
    inner, outer = blocks(conv.channels // conv.groups, BLOCK), blocks(conv.filters // conv.groups, BLOCK)
    groups = blocks(outer, tile.out)
    assert groups % tile.splits == 0
    (kh, kw), (dh, dw), (sh, sw), (down, across) = conv.kernel, conv.dilation, conv.stride, conv.subpixel
    own, width = conv.groups * conv.subpixels, conv.out_width
    pixels = conv.out_height * down * width * across

    def write() -> None:
        x = argument("input", types.input, conv.batch, inner * conv.groups, conv.height * conv.width, BLOCK)
        w = argument("weights", types.weight, own, groups, inner, kh, kw, STEP * tile.out)
        numbers = Numbers.arguments(own * groups * tile.out * BLOCK)
        wide = argument("diagonal", INT16, groups * tile.out * BLOCK) if conv.diagonal else None
        other = other_argument(conv.epilogue, types.output, conv.batch, outer * conv.groups, pixels, BLOCK)
        y = argument("output", types.output, conv.batch, outer * conv.groups, pixels, BLOCK)

        def cover(n: Expr, of: Expr, first: Expr, count: int, split: Expr) -> None:
            row_buffer = RowBuffer(conv, count, inner, Vector(types.input, BLOCK), border=numbers.border(types.input))
            rows = row_buffer.allocate()
            sums = IntegerTile(isa, types, conv.epilogue, (tile.pixels, tile.out), numbers, other, short)
            group_of, subpixel = (of, 0) if conv.subpixels == 1 else (0, of)
            row_buffer.fill(rows, x, n, group_of * inner, first)
            down_by, across_by = tirx.floordiv(subpixel, across), tirx.floormod(subpixel, across)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)
                with serial(count) as row:

                    def product(begin: Expr, size: int) -> None:
                        together = _are_together(conv, isa)

                        def pixel(at: Sequence[Expr], tap: int, t: int) -> At:
                            k, i, j = (*at, tap) if together else at
                            return rows, (k, row * sh + i * dh, (begin + t) * sw + j * dw)

                        walk = Walk(
                            (inner, kh) if together else (inner, kh, kw),
                            pixel,
                            lambda at, tap: (w, (of, group, *at, *([tap] if together else []))),
                            kw if together else 1,
                        )
                        diagonal = (
                            None
                            if wide is None
                            else Diagonal(
                                wide,
                                lambda t, block: (
                                    rows,
                                    (block, row * sh + kh // 2 * dh, (begin + t) * sw + kw // 2 * dw),
                                ),
                            )
                        )
                        at = bind((((first + row) * down + down_by) * width + begin) * across + across_by)
                        sums.write(
                            size, group, outer, walk, y,
                            lambda t, block: (n, group_of * outer + block, at + t * across, 0),
                            table_group=of * groups + group, diagonal=diagonal,
                        )  # fmt: skip

                    tiles(width, tile.pixels, product)

        for begin, number, count in spans(conv.out_height, tile.rows):
            with parallel(conv.batch, own, tile.splits, number, threads=threads) as (n, of, split, index):
                cover(n, of, bind(begin + index * count), count, split)

    return function(name, types.input, write)


class IntegerDirect(Template[Convolution, IntegerDirectTile]):
    name = "integer_direct"
    workload = Convolution
    tile = IntegerDirectTile
    types = INTEGERS
    diagonals = True

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        if work.diagonal:
            return None if _is_square(work) else "a diagonal of no square of one group with an odd window"
        return no_direct_window(work)

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[IntegerDirectTile]:
        outer = blocks(work.filters // work.groups, BLOCK)
        for size, out in fitting_integers(
            work.out_width, outer, machine.isa, work.types, partial(_held, work, machine.isa)
        ):
            for rows, splits in row_cuts(work, blocks(outer, out), machine):
                yield IntegerDirectTile(size, out, rows, splits)

    def default(self, work: Convolution, machine: Machine) -> IntegerDirectTile | None:
        """The cheapest tile, with the fewest rows copied at once that cost as good as nothing more."""
        best = super().default(work, machine)
        if best is None:
            return None
        numbers = {tile.rows for tile in self.tiles(work, machine)}
        costs = {rows: self.cost(work, replace(best, rows=rows), machine) for rows in numbers}
        return replace(best, rows=few_rows(costs, costs[best.rows]))

    def cost(self, work: Convolution, tile: IntegerDirectTile, machine: Machine) -> float:
        kh, kw = work.kernel
        own = work.groups * work.subpixels  # each with weights, and a pass over the input, of its own
        inner, outer = (blocks(of // work.groups, BLOCK) * BLOCK for of in (work.channels, work.filters))
        size = tile.pixels, tile.out
        row = integer_cycles(size, work.out_width, inner * kh * kw, outer, work.types, machine)
        passes = -(-work.out_height // tile.rows) * work.batch
        high = (tile.rows - 1) * work.stride[0] + work.reach[0]
        wide = (work.out_width - 1) * work.stride[1] + work.reach[1]
        rows = high * wide * inner
        copying = 2 * rows / BLOCK * passes * own * tile.splits
        weights = kh * kw * inner * outer * own
        stays = weights // tile.splits + rows <= HOLDS * machine.l2
        traffic = (map_bytes(work) + weights * (1 if stays else passes)) / machine.bandwidth
        cycles = row * work.out_height * work.batch * own + copying
        full, last = divmod(work.out_height, tile.rows)
        apart = work.batch * own * tile.splits
        share = full * tile.rows * busiest_share(full * apart, machine) + last * busiest_share(apart, machine)
        return cycles * share / work.out_height + traffic + space_price(rows, machine)

    def weight_bytes(self, work: Convolution, tile: IntegerDirectTile, machine: Machine) -> int:
        groups = merged_groups(work.channels, work.filters, work.groups, BLOCK)
        one = dense_numbers(work.filters // groups, work.channels // groups, BLOCK, tile.out * BLOCK)
        return groups * work.subpixels * work.kernel[0] * work.kernel[1] * one

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: IntegerDirectTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        weights, bias, by = constants
        rest, wide = split_diagonal(weights) if work.diagonal else (weights, None)
        merged, groups = merge_groups(rest, work.groups, BLOCK)
        conv, own, width = replace(work, groups=groups), groups * work.subpixels, tile.out * BLOCK
        short = short_of(machine.isa, constants, work.types.input)
        name = convolution_name(f"direct{short}", conv, (tile.pixels, width), machine.isa)
        function = integer_direct(conv, tile, machine.isa, machine.threads, name, short)
        way = products_of(machine.isa, work.types)
        packed = np.stack([pack_steps(of, tile.out, way) for of in np.split(merged, own)])
        numbers = [packed, *pack_numbers(weights, bias, by, own, width, short)]
        if wide is not None:
            numbers.append(pack_grouped_table([wide], 1, width, INT16)[0])
        return (kernel_of(work, machine, name, function, *numbers),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.convolution(work, constants, inputs)


def _are_together(conv: Convolution, isa: Isa) -> bool:
    """Tell whether all taps of a row are written out together."""
    return conv.kernel[1] <= _TOGETHER and products_of(isa, conv.types).holds_pixels


def _held(conv: Convolution, isa: Isa, pixels: int) -> int:
    """Pixels of the input that the taps of a row read for so many of the output; none where each tap loads its own."""
    if not _are_together(conv, isa):
        return 0
    stride, dilation = conv.stride[1], conv.dilation[1]
    return len({t * stride + tap * dilation for t in range(pixels) for tap in range(conv.kernel[1])})


def _is_square(conv: Convolution) -> bool:
    odd = all(size % 2 for size in conv.kernel)
    return conv.channels == conv.filters and conv.groups == conv.subpixels == 1 and odd


INTEGER_DIRECT = IntegerDirect()
