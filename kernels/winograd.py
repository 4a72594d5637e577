"""f32 3x3 convolution of stride 1 by Winograd's F(m, 3), m = 2 or 4 down and across, on blocked channels.

For every block of R rows of tiles (a tile is m x m' outputs, from n x n' inputs, n = m + 2):
1. The input of every tile and block of channels is transformed into n x n' numbers a channel (``V``).
2. For every of the n x n' numbers, weights and input are multiplied over all input channels, B groups of V vectors of
   output channels at a time (``M``). This is where the time goes: 2.25 (2 x 2), 3 (4 x 2) or 4 times (4 x 4) fewer
   products than direct.
3. The products are transformed back into m x m' outputs, finished and stored.

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
    """The integers to tune: outputs m down a tile; tiles and vectors of the register tile; rows of tiles in a block;
    output groups whose products wait in M; outputs across a tile, 0 for as many as down it.
    """

    outputs: int = 4
    pixels: int = 7
    vectors: int = 2
    rows: int = 1
    waiting: int = 1
    wide: int = 0

    @property
    def size(self) -> tuple[int, int]:
        """Outputs of a tile, down and across."""
        return self.outputs, self.wide or self.outputs

    @property
    def template(self) -> str:
        """What it is called: winograd4, winograd4x2."""
        down, across = self.size
        return f"winograd{down}" if down == across else f"winograd{down}x{across}"

    @property
    def edges(self) -> tuple[int, int]:
        """Inputs that it sees, and numbers that they are transformed into."""
        return self.size[0] + 2, self.size[1] + 2

    @property
    def numbers(self) -> int:
        return self.edges[0] * self.edges[1]


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
        return -(-self.conv.out_height // self.tile.size[0])

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.conv.out_width // self.tile.size[1])

    @property
    def columns(self) -> int:
        """Register tiles that hold a block's Winograd tiles; the last may reach beyond them."""
        return -(-self.tile.rows * self.across // self.tile.pixels)


def winograd(conv: Convolution, tile: WinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, n n', C/L, L, V L), table (rows, groups V L), the map to add
    (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    shape = _Shape(conv, tile, isa)
    lanes, numbers = isa.lanes, tile.numbers
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
    (down, across), (high, wide) = tile.size, tile.edges
    rows = Strip(shape.conv, down, 1, lanes, shape.across * across)
    strip = rows.allocate()
    rows.fill(strip, x, n, channel, bind((first + row) * down))
    held = Registers(tile.numbers, lanes)
    with serial(shape.across) as column:
        at = bind(row * shape.across + column)
        left = column * across
        for j in range(wide):
            d = [bind(load(strip, 0, i, left + j, 0, lanes=lanes)) for i in range(high)]
            for i, value in enumerate(transform_input(d, lanes)):
                held[i * wide + j] = value
        for i in range(high):
            d = [bind(held[i * wide + j]) for j in range(wide)]
            for j, value in enumerate(transform_input(d, lanes)):
                place = tirx.floordiv(at, tile.pixels), channel, tirx.floormod(at, tile.pixels)
                store(v, value, i * wide + j, *place, 0, lanes=lanes)


def _multiply(shape: _Shape, u: Buffer, v: Buffer, m: Buffer, part: Expr) -> None:
    """Step 2 for the groups of one part."""
    tile, isa = shape.tile, shape.isa
    lanes, size = isa.lanes, (tile.pixels, tile.vectors)
    sums = Registers(tile.pixels * tile.vectors, lanes)
    with serial(tile.numbers) as number, serial(tile.waiting) as turn, serial(shape.columns) as column:
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
    """Step 3 for the groups of one part: all whole tiles of a row, then the one that ends it, if it is cut."""
    tile, lanes = shape.tile, shape.isa.lanes
    (down, across), (high, wide) = tile.size, tile.edges
    whole, rest = divmod(shape.conv.out_width, across)
    held = Registers(down * wide, lanes)
    with serial(tile.waiting) as turn, serial(tile.vectors) as vector, serial(tile.rows) as row:
        channel = bind((part * tile.waiting + turn) * tile.vectors + vector)
        bias, rows = finish.bias(channel), finish.rows(channel)
        top = bind((first + row) * down)

        def put(value: Expr, place: Expr) -> None:
            finish.put(value + bias, rows, y, (n, channel, place, 0))

        def back(column: Expr, count: int) -> None:
            at = row * shape.across + column
            for j in range(wide):
                q = [bind(load(m, i * wide + j, turn, at, vector * lanes, lanes=lanes)) for i in range(high)]
                for i, value in enumerate(transform_output(q, down, lanes)):
                    held[i * wide + j] = value
            for i in range(down):
                when(_row_exists(shape, top + i), partial(line, i, column, count))

        def line(i: int, column: Expr, count: int) -> None:
            q = [bind(held[i * wide + j]) for j in range(wide)]
            place = bind((top + i) * shape.conv.out_width + column * across)
            for j, value in enumerate(transform_output(q, across, lanes)[:count]):
                put(value, place + j)

        def every() -> None:
            with serial(whole) as column:
                back(column, across)
            if rest:
                back(whole, rest)

        when(_channel_exists(shape, channel), every)


def _row_exists(shape: _Shape, row: Expr) -> Expr:
    extent = shape.conv.out_height
    return True if extent % shape.tile.size[0] == 0 else row < extent


def _channel_exists(shape: _Shape, channel: Expr) -> Expr:
    return True if shape.outer % shape.tile.vectors == 0 else channel < shape.outer
