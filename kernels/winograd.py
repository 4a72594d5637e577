"""f32 3x3 convolution of stride 1 by Winograd's F(m, 3), m = 2 or 4, on blocked channels.

For every block of R rows of tiles (a tile is m x m outputs, from n x n inputs, n = m + 2):
1. The input of every tile and block of channels is transformed into n x n numbers a channel (``V``).
2. For every of the n x n numbers, weights and input are multiplied over all input channels, B groups of V vectors of
   output channels at a time (``M``). This is where the time goes: 2.25 (m = 2) or 4 times fewer products than direct.
3. The products are transformed back into m x m outputs, finished and stored.

V is shared by all threads, M is each thread's own. Rounding is larger than a direct convolution's: see ``toom_cook``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from tvm import tirx

from rdpass.kernels.emit import (
    Buffer,
    Expr,
    Registers,
    argument,
    bind,
    both,
    function,
    load,
    parallel,
    scratch,
    serial,
    spread,
    store,
    when,
)
from rdpass.kernels.finish import Finish
from rdpass.kernels.isa import Isa
from rdpass.kernels.microkernel import multiply_block
from rdpass.kernels.packing import blocks
from rdpass.kernels.pointwise import other_argument, spans
from rdpass.kernels.strip import Strip
from rdpass.kernels.toom_cook import transform_input, transform_output
from rdpass.kernels.workload import Convolution


@dataclass(frozen=True)
class WinogradTile:
    """The integers to tune: outputs m of a tile's edge; tiles and vectors of the register tile; rows of tiles in a
    block; output groups whose products wait in M.
    """

    outputs: int = 4
    pixels: int = 7
    vectors: int = 2
    rows: int = 1
    waiting: int = 1

    @property
    def edge(self) -> int:
        return self.outputs + 2


@dataclass(frozen=True)
class _Shape:
    """What the phases share: the numbers of a workload's blocks and tiles."""

    conv: Convolution
    tile: WinogradTile
    isa: Isa

    @property
    def inner(self) -> int:
        return blocks(self.conv.channels, self.isa.lanes)

    @property
    def outer(self) -> int:
        return blocks(self.conv.filters, self.isa.lanes)

    @property
    def groups(self) -> int:
        return blocks(self.outer, self.tile.vectors)

    @property
    def down(self) -> int:
        """Rows of tiles."""
        return -(-self.conv.out_height // self.tile.outputs)

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.conv.out_width // self.tile.outputs)

    @property
    def columns(self) -> int:
        """Register tiles that hold a block's Winograd tiles; the last may reach beyond them."""
        return -(-self.tile.rows * self.across // self.tile.pixels)


def winograd(conv: Convolution, tile: WinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, n n, C/L, L, V L), table (rows, groups V L), the map to add
    (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    shape = _Shape(conv, tile, isa)
    lanes, numbers = isa.lanes, tile.edge**2
    assert conv.kernel == (3, 3)
    assert conv.stride == conv.dilation == (1, 1)
    assert conv.groups == 1
    assert shape.groups % tile.waiting == 0
    pixels = conv.out_height * conv.out_width

    def write() -> None:
        x = argument("input", conv.batch, shape.inner, conv.height * conv.width, lanes)
        u = argument("weights", shape.groups, numbers, shape.inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, shape.groups * tile.vectors * lanes)
        other = other_argument(conv, shape.outer, pixels, lanes)
        y = argument("output", conv.batch, shape.outer, pixels, lanes)
        finish = Finish(conv.epilogue, isa, table, other)
        v = scratch(numbers, shape.columns, shape.inner, tile.pixels, lanes)
        for begin, number, count in spans(shape.down, tile.rows):
            part_of = _Shape(conv, replace(tile, rows=count), isa)
            with serial(conv.batch) as n, serial(number) as block:
                first = bind(begin + block * count)
                with parallel(count, shape.inner, threads=threads) as (row, channel):
                    _transform_row(part_of, x, v, n, channel, first, row)
                with parallel(shape.groups // tile.waiting, threads=threads) as (part,):
                    m = scratch(numbers, tile.waiting, part_of.columns * tile.pixels, tile.vectors * lanes)
                    _multiply(part_of, u, v, m, part)
                    _transform_back(part_of, finish, m, y, n, part, first)

    return function(name, write)


def _transform_row(shape: _Shape, x: Buffer, v: Buffer, n: Expr, channel: Expr, first: Expr, row: Expr) -> None:
    """Step 1 for one row of tiles and one block of channels."""
    tile, lanes = shape.tile, shape.isa.lanes
    rows = Strip(shape.conv, tile.outputs, 1, lanes, shape.across * tile.outputs)
    strip = rows.allocate()
    rows.fill(strip, x, n, channel, bind((first + row) * tile.outputs))
    held = Registers(tile.edge**2, lanes)
    with serial(shape.across) as column:
        at = bind(row * shape.across + column)
        left = column * tile.outputs
        for j in range(tile.edge):
            d = [bind(load(strip, 0, i, left + j, 0, lanes=lanes)) for i in range(tile.edge)]
            for i, value in enumerate(transform_input(d, lanes)):
                held[i * tile.edge + j] = value
        for i in range(tile.edge):
            d = [bind(held[i * tile.edge + j]) for j in range(tile.edge)]
            for j, value in enumerate(transform_input(d, lanes)):
                place = tirx.floordiv(at, tile.pixels), channel, tirx.floormod(at, tile.pixels)
                store(v, value, i * tile.edge + j, *place, 0, lanes=lanes)


def _multiply(shape: _Shape, u: Buffer, v: Buffer, m: Buffer, part: Expr) -> None:
    """Step 2 for the groups of one part."""
    tile, isa = shape.tile, shape.isa
    lanes, size = isa.lanes, (tile.pixels, tile.vectors)
    sums = Registers(tile.pixels * tile.vectors, lanes)
    with serial(tile.edge**2) as number, serial(tile.waiting) as turn, serial(shape.columns) as column:
        group = bind(part * tile.waiting + turn)
        for index in range(tile.pixels * tile.vectors):
            sums[index] = spread(0.0, lanes)
        with serial(shape.inner) as k:
            multiply_block(
                sums, isa, size,
                lambda t: (v, (number, column, k, t)),
                lambda c, vector: load(u, group, number, k, c, vector * lanes, lanes=lanes),
            )  # fmt: skip
        for t in range(tile.pixels):
            for vector in range(tile.vectors):
                at = column * tile.pixels + t
                store(m, sums[t * tile.vectors + vector], number, turn, at, vector * lanes, lanes=lanes)


def _transform_back(shape: _Shape, finish: Finish, m: Buffer, y: Buffer, n: Expr, part: Expr, first: Expr) -> None:
    """Step 3 for the groups of one part."""
    conv, tile, lanes = shape.conv, shape.tile, shape.isa.lanes
    edge, outputs = tile.edge, tile.outputs
    held = Registers(edge * outputs, lanes)
    with serial(tile.waiting) as turn, serial(tile.vectors) as vector, serial(tile.rows) as row:
        channel = bind((part * tile.waiting + turn) * tile.vectors + vector)
        bias, rows = finish.bias(channel), finish.rows(channel)
        top = bind((first + row) * outputs)
        with serial(shape.across) as column:
            for j in range(edge):
                at = row * shape.across + column
                q = [bind(load(m, i * edge + j, turn, at, vector * lanes, lanes=lanes)) for i in range(edge)]
                for i, value in enumerate(transform_output(q, outputs, lanes)):
                    held[i * edge + j] = value
            for i in range(outputs):

                def line(i: int = i) -> None:
                    q = [bind(held[i * edge + j]) for j in range(edge)]
                    for j, value in enumerate(transform_output(q, outputs, lanes)):
                        at = bind((top + i) * conv.out_width + column * outputs + j)
                        within = (shape.across - 1) * outputs + j < conv.out_width
                        when(
                            within or column * outputs + j < conv.out_width,
                            partial(finish.put, value + bias, rows, y, (n, channel, at, 0)),
                        )

                when(both(_row_exists(shape, top + i), _channel_exists(shape, channel)), line)


def _row_exists(shape: _Shape, row: Expr) -> Expr:
    extent = shape.conv.out_height
    return True if extent % shape.tile.outputs == 0 else row < extent


def _channel_exists(shape: _Shape, channel: Expr) -> Expr:
    return True if shape.outer % shape.tile.vectors == 0 else channel < shape.outer
