"""The three steps of a Winograd convolution of stride 1 on blocked channels, for a block of rows of tiles.

A tile is m x m' outputs, from n x n' inputs, n = m + taps - 1; both ways are independent of each other. One way may
have one tap: then m = n = 1, and nothing is transformed that way.

1. ``transform_row``: the input of every tile and block of channels becomes n x n' numbers a channel (``V``).
2. ``multiply``: for every of the n x n' numbers, weights and input are multiplied over all input channels, B groups of
   V vectors of output channels at a time (``M``).
3. ``transform_back``: the products become m x m' outputs, which get their epilogue and are stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tvm import tirx

from rdpass.kernels.builder.chunked_sums import add_in_chunks
from rdpass.kernels.builder.emit import Registers, bind, broadcast, serial, tiles, when
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.register_tile import multiply_block
from rdpass.kernels.builder.row_buffer import Grid, RowBuffer
from rdpass.kernels.builder.toom_cook import transform_input, transform_output
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa, Vector


class OutputTile(Tile):
    """A tile of a Winograd kernel: ``outputs`` down, and ``wide`` across, 0 for as many as down."""

    outputs: int
    wide: int

    @property
    def size(self) -> tuple[int, int]:
        """Outputs of a tile, down and across."""
        return self.outputs, self.wide or self.outputs

    @property
    def outputs_label(self) -> str:
        """4 where tiles are square, or 4x2."""
        down, across = self.size
        return f"{down}" if down == across else f"{down}x{across}"


@dataclass(frozen=True)
class Tiling:
    """A convolution of stride 1 in tiles.

    ``size``: outputs of a tile, down and across. ``rows``: of tiles in a block. ``pixels``, ``vectors``: of the
    register tile, a pixel being a Winograd tile. ``waiting``: output groups whose products wait in M. ``slices``: of
    the input channels; V holds one. ``grid``: where the rows and columns of the convolution's input lie, where they are
    not all there are.
    """

    conv: Convolution
    isa: Isa
    size: tuple[int, int]
    rows: int
    pixels: int
    vectors: int
    waiting: int
    slices: int = 1
    grid: Grid | None = None

    @property
    def vector(self) -> Vector:
        return self.isa.vector(self.conv.types.accumulator)

    @property
    def edges(self) -> tuple[int, int]:
        """Inputs that a tile sees, and numbers that they are transformed into."""
        (down, across), (high, wide) = self.size, self.conv.kernel
        return down + high - 1, across + wide - 1

    @property
    def numbers(self) -> int:
        return self.edges[0] * self.edges[1]

    @property
    def inner(self) -> int:
        return blocks(self.conv.channels, self.vector.lanes)

    @property
    def own(self) -> int:
        """Blocks of input channels in a slice."""
        return self.inner // self.slices

    @property
    def outer(self) -> int:
        return blocks(self.conv.filters, self.vector.lanes)

    @property
    def groups(self) -> int:
        return blocks(self.outer, self.vectors)

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return -(-self.conv.out_width // self.size[1])

    @property
    def held(self) -> int:
        """Tiles of a block."""
        return self.rows * self.across

    @property
    def columns(self) -> int:
        """Register tiles that hold a block's Winograd tiles; the last may have room for more."""
        return blocks(self.held, self.pixels)

    def allocate_inputs(self) -> Buffer:
        """V."""
        return scratch(self.numbers, self.columns, self.own, self.pixels, self.vector.lanes)

    def allocate_products(self) -> Buffer:
        """M."""
        return scratch(self.numbers, self.waiting, self.held, self.vectors * self.vector.lanes)


def transform_row(
    tiling: Tiling, x: Buffer, v: Buffer, n: Expr, channel: Expr, top: Expr, row: Expr, slice_: Expr = 0
) -> None:
    """Step 1 for one row of tiles and one block of channels of a slice; ``top``: the first row of output."""
    vector, lanes = tiling.vector, tiling.vector.lanes
    (down, across), (high, wide) = tiling.size, tiling.edges
    row_buffer = RowBuffer(tiling.conv, down, 1, vector, tiling.across * across, tiling.grid)
    rows = row_buffer.allocate()
    row_buffer.fill(rows, x, n, slice_ * tiling.own + channel, bind(top + row * down))
    held = Registers(tiling.numbers, vector)
    with serial(tiling.across) as column:
        at = bind(row * tiling.across + column)
        left = column * across
        for j in range(wide):
            d = [bind(load(rows, 0, i, left + j, 0, lanes=lanes)) for i in range(high)]
            for i, value in enumerate(transform_input(d, vector)):
                held[i * wide + j] = value
        for i in range(high):
            d = [bind(held[i * wide + j]) for j in range(wide)]
            for j, value in enumerate(transform_input(d, vector)):
                place = tirx.floordiv(at, tiling.pixels), channel, tirx.floormod(at, tiling.pixels)
                store(v, value, i * wide + j, *place, 0, lanes=lanes)


def multiply(tiling: Tiling, u: Buffer, v: Buffer, m: Buffer, turns: Expr, first: int = 0, slice_: Expr = 0) -> None:
    """Step 2 for the groups that wait together, the ``turns``-th so many, and the input channels of a slice.

    ``first``: where in ``u`` the weights of the first number lie.
    """
    vectors, lanes = tiling.vectors, tiling.vector.lanes
    sums = Registers(tiling.pixels * vectors, tiling.vector)
    begin_of = slice_ * tiling.own

    def weight(group: Expr, number: Expr, k: Expr, c: Expr, vector: int) -> Expr:
        return load(u, group, first + number, begin_of + k, c, vector * lanes, lanes=lanes)

    with serial(tiling.numbers) as number, serial(tiling.waiting) as turn:
        group = bind(turns * tiling.waiting + turn)

        def product(begin: Expr, size: int) -> None:
            column = tirx.floordiv(begin, tiling.pixels)
            for index in range(size * vectors):
                sums[index] = broadcast(0.0, tiling.vector)
            # Chunks half as long: the way back subtracts sums of one size, and is left with their errors.
            add_in_chunks(
                sums, size * vectors, tiling.own, 2 * lanes,
                lambda k: multiply_block(
                    sums, tiling.isa, (size, vectors),
                    lambda t: (v, (number, column, k, t)),
                    lambda c, vector: weight(group, number, k, c, vector),
                ),
            )  # fmt: skip
            for t in range(size):
                for vector in range(vectors):
                    value = sums[t * vectors + vector]
                    store(m, value, number, turn, begin + t, vector * lanes, lanes=lanes)

        tiles(tiling.held, tiling.pixels, product)


def transform_back(
    tiling: Tiling, writer: EpilogueWriter, m: Buffer, y: Buffer, n: Expr, turns: Expr, top: Expr, biased: bool = True
) -> None:
    """Step 3 for the groups that wait together: all whole tiles of a row, then the one that ends it, if it is cut."""
    vector, lanes = tiling.vector, tiling.vector.lanes
    (down, across), (high, wide) = tiling.size, tiling.edges
    whole, rest = divmod(tiling.conv.out_width, across)
    held = Registers(down * wide, vector)
    with serial(tiling.waiting) as turn, serial(tiling.vectors) as v, serial(tiling.rows) as row:
        channel = bind((turns * tiling.waiting + turn) * tiling.vectors + v)
        bias, rows = writer.bias(channel) if biased else None, writer.rows(channel)
        upper = bind(top + row * down)

        def put(value: Expr, place: Expr) -> None:
            writer.put(value if bias is None else value + bias, rows, y, (n, channel, place, 0))

        def back(column: Expr, count: int) -> None:
            at = row * tiling.across + column
            for j in range(wide):
                q = [bind(load(m, i * wide + j, turn, at, v * lanes, lanes=lanes)) for i in range(high)]
                for i, value in enumerate(transform_output(q, down, vector)):
                    held[i * wide + j] = value
            for i in range(down):
                when(_row_exists(tiling, upper + i), partial(line, i, column, count))

        def line(i: int, column: Expr, count: int) -> None:
            q = [bind(held[i * wide + j]) for j in range(wide)]
            place = bind((upper + i) * tiling.conv.out_width + column * across)
            for j, value in enumerate(transform_output(q, across, vector)[:count]):
                put(value, place + j)

        def every() -> None:
            with serial(whole) as column:
                back(column, across)
            if rest:
                back(whole, rest)

        when(_channel_exists(tiling, channel), every)


def _row_exists(tiling: Tiling, row: Expr) -> Expr:
    extent = tiling.conv.out_height
    return True if extent % tiling.size[0] == 0 else row < extent


def _channel_exists(tiling: Tiling, channel: Expr) -> Expr:
    return True if tiling.outer % tiling.vectors == 0 else channel < tiling.outer
