"""f32 7x7 convolution of stride 2 of a planar input of few channels, by Winograd's F(3, 4), and the max pool after it.

1. Rows and columns of even and of odd number are taken apart. With these four stride phases as channels of their own it
   is a convolution of 4 x 4 taps and stride 1: 3 x 3 outputs take 36 products a phase, 144 a channel, instead of 441.
2. For every row of tiles (three rows of the convolution) its input is copied, phase by phase, and transformed (``V``),
   some of its columns at a time.
3. V is multiplied by the weights, all output channels of a group of V vectors at once (``M``), and transformed back.
   Sums of so few channels are short. The six numbers of a column are therefore summed on and on, and M holds where the
   sum stood after each: the way back begins by adding them up anyway.
4. Rows go to the pool's ring, from where maxima are stored; the map of the convolution never exists.

Blocks of pooled rows are dealt out to threads, as in ``stem``. Rounding is larger than a direct convolution's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import Registers, bind, both, broadcast, indices, parallel, serial, spans, when
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.packing import (
    blocks,
    dense_numbers,
    pack_grouped_table,
    pack_numbers,
    split_stride_phases,
)
from rdpass.kernels.builder.pool_ring import LOWEST, PoolRing, Position
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.builder.toom_cook import transform_input, transform_output, transform_running, transform_weights
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.templates.stem import STEM, block_heights, stem_name
from rdpass.kernels.tile_space import fitting
from rdpass.kernels.workload import Convolution, Stem
from rdpass.targets.isa import Isa

OUTPUTS, TAPS = 3, 4
_EDGE = OUTPUTS + TAPS - 1
_NUMBERS = _EDGE**2
STRIDE_PHASES = 4
_PAIR = 2

_TOGETHER = 4
"""Register tiles of a row that are transformed, multiplied and transformed back before the next: what they fill stays
in L1 and L2, and every thread has it."""


@dataclass(frozen=True)
class StemWinogradTile(Tile):
    """The integers to tune: Winograd tiles and vectors of the register tile, pooled rows of a thread's block, pixels
    pooled at once.
    """

    pixels: int = 5
    vectors: int = 4
    rows: int = 14
    pooled: int = 4


def is_strided_stem(work: Stem) -> bool:
    """Tell whether the template computes such a stem."""
    conv, pool = work.convolution, work.pooling
    whole = conv.stride == (2, 2) and conv.dilation == (1, 1) and conv.groups == 1
    return whole and all(2 * TAPS - 1 <= size <= 2 * TAPS for size in conv.kernel) and pool is not None


def stem_winograd(work: Stem, tile: StemWinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C, H W), planar; weights (groups, 36, 4 C/L, L, V L); table (rows, groups V L); output
    (N, F/L, H' W', L), H' and W' after the pool.
    """
    conv, pool = work.convolution, work.pooling
    lanes = isa.block(conv.types.output)
    assert is_strided_stem(work)
    assert pool is not None
    assert pool.kind == "max"
    assert not conv.epilogue.add
    inner, outer = blocks(STRIDE_PHASES * conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    block = pool.out_height if threads == 1 else min(tile.rows, pool.out_height)

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, conv.channels, conv.height * conv.width)
        u = argument("weights", conv.types.weight, groups, _NUMBERS, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, groups * tile.vectors * lanes)
        y = argument("output", conv.types.output, conv.batch, outer, pool.out_height * pool.out_width, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table)
        for begin, number, count in spans(pool.out_height, block):
            with parallel(conv.batch, number, threads=threads) as (n, index):
                rows = _Rows(conv, tile, isa, x, u, writer)
                ring = PoolRing(pool, outer, tile.pooled, isa, come=OUTPUTS)
                compute = partial(rows.compute, n, ring.rows)
                ring.cover_together(compute, y, n, bind(begin + index * block), count)

    return function(name, conv.types.accumulator, write)


class _Rows:
    """Computes rows of the convolution, all output channels of three at once."""

    def __init__(
        self, conv: Convolution, tile: StemWinogradTile, isa: Isa, x: Buffer, u: Buffer, writer: EpilogueWriter
    ) -> None:
        self.conv, self.tile, self.isa, self.x, self.u, self.writer = conv, tile, isa, x, u, writer
        self.vector = isa.vector(conv.types.accumulator)
        self.lanes = lanes = self.vector.lanes
        self.inner = blocks(STRIDE_PHASES * conv.channels, lanes)
        self.outer = blocks(conv.filters, lanes)
        self.across = -(-conv.out_width // OUTPUTS)
        self.columns = -(-self.across // tile.pixels)
        self.together = min(_TOGETHER, self.columns)
        self.width = max(self.across * OUTPUTS + TAPS - 1, (conv.padding[1] + conv.width - 1) // 2 + 1)
        self.rows = scratch(self.inner, _EDGE, self.width, lanes)
        # By column of the numbers, and what one sum reads and writes lies together.
        self.v = scratch(_EDGE, self.together, _EDGE, self.inner, tile.pixels, lanes)
        self.m = scratch(_EDGE, self.together * tile.pixels, _EDGE, tile.vectors * lanes)
        with serial(self.inner) as k, serial(_EDGE) as line, serial(self.width) as column:
            store(self.rows, broadcast(0.0, self.vector), k, line, column, 0, lanes=lanes)

    def compute(self, n: Expr, out: Buffer, row: Expr, position: Callable[[int], Position]) -> None:
        """Three rows from ``row`` on of image ``n``; those outside the map are -inf."""
        for channel, half, lane in self._halves():
            with serial(_EDGE) as line:
                self._copy(n, channel, bind((row + line) * 2 + half - self.conv.padding[0]), line, lane)
        places = [position(i) for i in range(OUTPUTS)]
        with serial(blocks(self.columns, self.together)) as turn:
            first = bind(turn * self.together)
            self._transform(first)
            with serial(blocks(self.outer, self.tile.vectors)) as group:
                self._multiply(group, first)
                self._transform_back(group, first, out, places)
        for i, place in enumerate(places):
            exists = tirx.all(row + i >= 0, row + i < self.conv.out_height)
            when(exists, lambda: None, partial(self._erase, out, place))

    def _halves(self) -> Iterator[tuple[int, int, tuple[int, int]]]:
        """A channel, even or odd rows, and the block and first lane of their two phases."""
        for channel in range(self.conv.channels):
            for half in range(2):
                yield channel, half, divmod(channel * STRIDE_PHASES + half * _PAIR, self.lanes)

    # 2. The copied rows, and their transform

    def _copy(self, n: Expr, channel: int, source: Expr, line: Expr, place: tuple[int, int]) -> None:
        """A row of the map, or zeros where there is none: pairs of columns, and a single one at either end."""
        conv, (block, first) = self.conv, place
        left, end = conv.padding[1], conv.padding[1] + conv.width
        whole = -(-left // 2), end // 2

        def columns() -> None:
            with serial(max(0, whole[1] - whole[0])) as pair:
                column = bind(whole[0] + pair)
                value = load(self.x, n, channel, source * conv.width + column * 2 - left, lanes=_PAIR)
                store(self.rows, value, block, line, column, first, lanes=_PAIR)
            for padded in {*([left] if left % 2 else []), *([end - 1] if end % 2 else [])}:
                value = self.x[n, channel, source * conv.width + padded - left]
                store(self.rows, value, block, line, padded // 2, first + padded % 2, lanes=1)

        def nothing() -> None:
            with serial(self.width) as column:
                store(
                    self.rows,
                    broadcast(0.0, replace(self.vector, lanes=_PAIR)),
                    block,
                    line,
                    column,
                    first,
                    lanes=_PAIR,
                )

        when(tirx.all(source >= 0, source < conv.height), columns, nothing)

    def _transform(self, first: Expr) -> None:
        lanes, pixels = self.lanes, self.tile.pixels
        held = Registers(_NUMBERS, self.vector)
        begin = bind(first * pixels)
        with serial(self.inner) as k, serial(_at_most(self.together * pixels, begin, self.across)) as tile:
            for j in range(_EDGE):
                column = (begin + tile) * OUTPUTS + j
                d = [bind(load(self.rows, k, i, column, 0, lanes=lanes)) for i in range(_EDGE)]
                for i, value in enumerate(transform_input(d, self.vector)):
                    held[i * _EDGE + j] = value
            for i in range(_EDGE):
                d = [bind(held[i * _EDGE + j]) for j in range(_EDGE)]
                for j, value in enumerate(transform_input(d, self.vector)):
                    at, t = tirx.floordiv(tile, pixels), tirx.floormod(tile, pixels)
                    store(self.v, value, j, at, i, k, t, 0, lanes=lanes)

    # 3. Products, and their transform

    def _multiply(self, group: Expr, first: Expr) -> None:
        tile, lanes = self.tile, self.lanes
        sums = Registers(tile.pixels * tile.vectors, self.vector)
        with serial(_EDGE) as j, serial(_at_most(self.together, first, self.columns)) as column:
            for index in range(tile.pixels * tile.vectors):
                sums[index] = broadcast(0.0, self.vector)
            with serial(_EDGE) as i:
                number = i * _EDGE + j
                for k in range(self.inner):
                    pixel, weight = partial(self._pixel, j, column, i, k), partial(self._weight, group, number, k)
                    multiply_block(sums, self.isa, (tile.pixels, tile.vectors), pixel, weight)
                for t, v in indices(tile.pixels, tile.vectors):
                    at = column * tile.pixels + t
                    store(self.m, sums[t * tile.vectors + v], j, at, i, v * lanes, lanes=lanes)

    def _pixel(self, j: Expr, column: Expr, i: Expr, k: int, tile: int) -> At:
        return self.v, (j, column, i, k, tile)

    def _weight(self, group: Expr, number: Expr, k: int, channel: Expr, vector: int) -> Expr:
        lanes = self.lanes
        return load(self.u, group, number, k, channel, vector * lanes, lanes=lanes)

    def _transform_back(self, group: Expr, first: Expr, out: Buffer, places: Sequence[Position]) -> None:
        """All whole tiles of those together, and the one that ends the row, if it is there."""
        whole, rest = divmod(self.conv.out_width, OUTPUTS)
        begin, most = bind(first * self.tile.pixels), self.together * self.tile.pixels
        held = Registers(_EDGE * OUTPUTS, self.vector)
        with serial(self.tile.vectors) as vector:
            block = bind(group * self.tile.vectors + vector)

            def tiles() -> None:
                with serial(_at_most(most, begin, whole)) as tile:
                    self._sum(held, vector, tile)
                    self._put(held, block, begin + tile, OUTPUTS, out, places)

            def end() -> None:
                self._sum(held, vector, whole - begin)
                self._put(held, block, whole, rest, out, places)

            when(self._has(block), tiles)
            if rest:
                when(both(self._has(block), begin + most > whole), end)

    def _has(self, block: Expr) -> Expr:
        return True if self.outer % self.tile.vectors == 0 else block < self.outer

    def _sum(self, held: Registers, vector: Expr, tile: Expr) -> None:
        """The first half of the way back, down the columns."""
        lanes = self.lanes
        for j in range(_EDGE):
            q = [bind(load(self.m, j, tile, i, vector * lanes, lanes=lanes)) for i in range(_EDGE)]
            for i, value in enumerate(transform_running(q, OUTPUTS, self.vector)):
                held[i * _EDGE + j] = value

    def _put(
        self, held: Registers, block: Expr, column: Expr, count: int, out: Buffer, places: Sequence[Position]
    ) -> None:
        """The second, and ``count`` outputs of each row stored."""
        bias, rows = self.writer.bias(block), self.writer.rows(block)
        for i, place in enumerate(places):
            q = [bind(held[i * _EDGE + j]) for j in range(_EDGE)]
            for j, value in enumerate(transform_output(q, OUTPUTS, self.vector)[:count]):
                self.writer.put(value + bias, rows, out, place(block, column * OUTPUTS + j))

    def _erase(self, out: Buffer, place: Position) -> None:
        """A row outside the map."""
        lanes = self.lanes
        with serial(self.outer) as block, serial(self.conv.out_width) as column:
            store(out, broadcast(LOWEST, self.vector), *place(block, column), lanes=lanes)


def _at_most(count: int, first: Expr, end: int) -> Expr:
    """``count``, or as many as there are from ``first`` to ``end``."""
    return count if end and end % count == 0 else tirx.min(count, end - first)


class StemWinograd(Template[Stem, StemWinogradTile]):
    name = f"stem_winograd{OUTPUTS}"
    workload = Stem
    tile = StemWinogradTile
    types = FLOATS

    def misfit(self, work: Stem, machine: Machine) -> str | None:
        if not is_strided_stem(work):
            return "not a 7x7 or 8x8 window of stride 2 with a pool behind it"
        return STEM.misfit(work, machine)

    def tiles(self, work: Stem, machine: Machine) -> Iterator[StemWinogradTile]:
        outer = blocks(work.convolution.filters, machine.isa.block(work.types.input))
        for size, vectors in fitting(-(-work.convolution.out_width // OUTPUTS), outer, machine.isa):
            for rows in block_heights(work, machine):
                yield StemWinogradTile(size, vectors, rows)

    def default(self, work: Stem, machine: Machine) -> StemWinogradTile | None:
        """The widest tile that the registers hold; none where lanes are not multiplied by element."""
        if not machine.isa.by_element:
            return None
        outer = blocks(work.convolution.filters, machine.isa.block(work.types.input))
        pixels, vectors = (5, 4) if outer % 4 == 0 else (8, 2)
        wanted = StemWinogradTile(pixels, vectors, block_heights(work, machine)[0])
        return self.best(work, (wanted, *self.tiles(work, machine)), machine)

    def weight_bytes(self, work: Stem, tile: StemWinogradTile, machine: Machine) -> int:
        conv, lanes = work.convolution, machine.isa.block(work.types.input)
        one = dense_numbers(conv.filters, STRIDE_PHASES * conv.channels, lanes, tile.vectors * lanes)
        return work.types.weight.size((_NUMBERS, one))

    def build(
        self, work: Stem, constants: Sequence[Any], tile: StemWinogradTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        name = stem_name(self.name, work, (tile.pixels, tile.vectors), machine.isa)
        function = stem_winograd(work, tile, machine.isa, machine.threads, name)
        transformed = transform_weights(split_stride_phases(weights), (OUTPUTS, OUTPUTS))
        packed = pack_numbers(transformed, lanes, width, work.types.weight)
        table = pack_grouped_table(rows, 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Stem, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.stem(work, constants, inputs)


STEM_WINOGRAD = StemWinograd()
