"""The three steps of F(4, 3) of bytes, for a block of rows of tiles. The numbers are those of ``integer_toom_cook``.

1. ``transform_row``: tiles of 6 x 6 bytes become 36 numbers of int16 for each channel (``V``).
2. ``multiply``: number by number, V times the transformed weights, summed over a slice of the input channels (``M``).
3. ``transform_back``: the products of each slice become 4 x 4 exact sums, added up, requantised and stored.

The workspace is of bytes; what is wider lies in it as so many of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import INT16, INT32, NumericType
from rdpass.kernels.builder.emit import Registers, bind, serial, tiles, when
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.integer_toom_cook import (
    EDGE,
    INVERSE,
    NUMBERS,
    OUTPUTS,
    SHIFT,
    exact_channels,
    transform_input,
    transform_output,
)
from rdpass.kernels.builder.intrinsics import bits_as
from rdpass.kernels.builder.modular import Modular
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.requantization import Requantizer
from rdpass.kernels.builder.row_buffer import RowBuffer
from rdpass.kernels.builder.short_products import short_products_of
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa, Vector

_SHORTS, _SUMS = INT16.bytes * BLOCK, INT32.bytes * BLOCK
"""Bytes of a block of channels in V, and in M."""


@dataclass(frozen=True)
class Tiling:
    """A convolution in tiles of 4 x 4 outputs.

    ``rows``: of tiles in a block. ``pixels``, ``out``: of the register tile, a pixel being a Winograd tile.
    """

    conv: Convolution
    isa: Isa
    rows: int
    pixels: int
    out: int

    @property
    def byte(self) -> NumericType:
        return self.conv.types.input

    @property
    def inner(self) -> int:
        return blocks(self.conv.channels, BLOCK)

    @property
    def slice(self) -> int:
        """Blocks of input channels of which a sum is exact, evenly cut."""
        number = blocks(self.inner, exact_channels(self.byte) // BLOCK)
        return blocks(self.inner, number)

    @property
    def slices(self) -> int:
        return blocks(self.inner, self.slice)

    @property
    def outer(self) -> int:
        return blocks(self.conv.filters, BLOCK)

    @property
    def groups(self) -> int:
        return blocks(self.outer, self.out)

    @property
    def across(self) -> int:
        """Tiles of a row."""
        return blocks(self.conv.out_width, OUTPUTS)

    @property
    def held(self) -> int:
        """Tiles of a block."""
        return self.rows * self.across

    @property
    def columns(self) -> int:
        """Register tiles that hold a block's tiles; the last may have room for more."""
        return blocks(self.held, self.pixels)

    def allocate_inputs(self) -> Buffer:
        """V."""
        return scratch(NUMBERS, self.columns, self.inner, self.pixels, _SHORTS)

    def allocate_products(self) -> Buffer:
        """M."""
        return scratch(self.slices, NUMBERS, self.held, self.out * _SUMS)


def transform_row(
    tiling: Tiling, x: Buffer, v: Buffer, border: Expr, n: Expr, block: Expr, top: Expr, row: Expr
) -> None:
    """Step 1 for one row of tiles and one block of channels; ``top``: the first row of output."""
    vector = Vector(INT16, min(BLOCK, tiling.isa.lanes(INT16)))
    lanes, byte = vector.lanes, tiling.byte
    row_buffer = RowBuffer(tiling.conv, OUTPUTS, 1, Vector(byte, BLOCK), columns=tiling.across * OUTPUTS, border=border)
    rows = row_buffer.allocate()
    row_buffer.fill(rows, x, n, block, bind(top + row * OUTPUTS))
    held = Registers(NUMBERS, vector)
    with serial(tiling.across) as column, serial(BLOCK // lanes) as part:
        at, first = bind(row * tiling.across + column), bind(part * lanes)
        left = column * OUTPUTS
        for j in range(EDGE):
            bytes_ = (load(rows, 0, i, left + j, first, lanes=lanes) for i in range(EDGE))
            for i, value in enumerate(transform_input([bind(tirx.Cast(str(vector), b)) for b in bytes_], vector)):
                held[i * EDGE + j] = value
        for i in range(EDGE):
            d = [bind(held[i * EDGE + j]) for j in range(EDGE)]
            for j, value in enumerate(transform_input(d, vector)):
                place = tirx.floordiv(at, tiling.pixels), block, tirx.floormod(at, tiling.pixels), first * INT16.bytes
                _store(v, value, i * EDGE + j, *place, lanes=lanes, numeric=INT16)


def multiply(tiling: Tiling, u: Buffer, v: Buffer, m: Buffer, group: Expr) -> None:
    """Step 2 for a group of outputs."""
    products = short_products_of(tiling.isa)(tiling.isa, tiling.pixels, tiling.out)
    lanes = products.lanes
    with serial(tiling.slices) as part, serial(NUMBERS) as number:
        begin_of = bind(part * tiling.slice)

        def product(begin: Expr, size: int) -> None:
            column = tirx.floordiv(begin, tiling.pixels)
            products.start(size)
            with serial(tirx.min(tiling.slice, tiling.inner - begin_of)) as index:
                k = bind(begin_of + index)
                products.step(
                    size,
                    lambda t, c, count: _load(v, number, column, k, t, c * INT16.bytes, lanes=count, numeric=INT16),
                    lambda place, count: load(u, group, number, k, place, lanes=count),
                )
            for t in range(size):
                for index_ in range(products.vectors):
                    value, place = products.sums[t * products.vectors + index_], index_ * lanes * INT32.bytes
                    _store(m, value, part, number, begin + t, place, lanes=lanes, numeric=INT32)

        tiles(tiling.held, tiling.pixels, product)


def transform_back(
    tiling: Tiling, writer: Requantizer, bias: Buffer, m: Buffer, y: Buffer, n: Expr, group: Expr, top: Expr
) -> None:
    """Step 3 for a group of outputs: all whole tiles of a row, then the one that ends it, if it is cut."""
    lanes, width = tiling.isa.lanes(INT32), tiling.conv.out_width
    whole, rest = divmod(width, OUTPUTS)
    sums = scratch(OUTPUTS * OUTPUTS, _SUMS)
    with serial(tiling.out) as b, serial(tiling.rows) as row:
        block = bind(group * tiling.out + b)
        factors, upper = writer.rows(block), bind(top + row * OUTPUTS)

        def back(column: Expr, count: int) -> None:
            at = bind(row * tiling.across + column)
            with serial(BLOCK // lanes) as vector:
                first = bind(vector * lanes)
                start = load(bias, block * BLOCK + first, lanes=lanes)
                _outputs(tiling, m, (at, b * _SUMS + first * INT32.bytes), start, sums, first * INT32.bytes)
            for i in range(OUTPUTS):
                inside = True if tiling.conv.out_height % OUTPUTS == 0 else upper + i < tiling.conv.out_height
                when(inside, partial(line, i, column, count))

        def line(i: int, column: Expr, count: int) -> None:
            place = bind((upper + i) * width + column * OUTPUTS)
            for j in range(count):
                totals = [
                    bind(_load(sums, i * OUTPUTS + j, first * INT32.bytes, lanes=lanes, numeric=INT32))
                    for first in range(0, BLOCK, lanes)
                ]
                writer.put(totals, factors, y, (n, block, place + j, 0))

        def every() -> None:
            with serial(whole) as column:
                back(column, OUTPUTS)
            if rest:
                back(whole, rest)

        when(True if tiling.outer % tiling.out == 0 else block < tiling.outer, every)


def _outputs(tiling: Tiling, m: Buffer, of: tuple[Expr, Expr], start: Expr, sums: Buffer, first: Expr) -> None:
    """The exact sums of one tile and one vector of outputs, bias included, to ``sums``."""
    vector = tiling.isa.vector(INT32)
    lanes = vector.lanes
    held, totals = Registers(OUTPUTS * EDGE, vector), Registers(OUTPUTS * OUTPUTS, vector)
    begin = bind(start)
    for index in range(OUTPUTS * OUTPUTS):
        totals[index] = begin
    with serial(tiling.slices) as part:
        for j in range(EDGE):
            loaded = (_load(m, part, i * EDGE + j, *of, lanes=lanes, numeric=INT32) for i in range(EDGE))
            for i, value in enumerate(transform_output([Modular(bind(q), lanes) for q in loaded])):
                held[i * EDGE + j] = value.value
        for i in range(OUTPUTS):
            q = [Modular(bind(held[i * EDGE + j]), lanes) for j in range(EDGE)]
            for j, value in enumerate(transform_output(q)):
                exact = T.shift_right(value.times(INVERSE).value, T.Broadcast(tirx.const(SHIFT, INT32.value), lanes))
                totals[i * OUTPUTS + j] = totals[i * OUTPUTS + j] + exact
    for index in range(OUTPUTS * OUTPUTS):
        _store(sums, totals[index], index, first, lanes=lanes, numeric=INT32)


def _load(buffer: Buffer, *index: Expr, lanes: int, numeric: NumericType) -> Expr:
    """Numbers of another type from a workspace of bytes; the last of ``index`` counts bytes."""
    return bits_as(f"{numeric}x{lanes}", load(buffer, *index, lanes=lanes * numeric.bytes))


def _store(buffer: Buffer, value: Expr, *index: Expr, lanes: int, numeric: NumericType) -> None:
    kind = f"{buffer.buffer.dtype}x{lanes * numeric.bytes}"
    store(buffer, bits_as(kind, value), *index, lanes=lanes * numeric.bytes)
