"""f32 convolution of a planar input of few channels, and the max pool after it: from the image to blocked channels.

1. The rows that one row of the convolution needs are copied, split by column phase.
2. For a group of V vectors of output channels, the row is cut into tiles of T pixels. The lanes of an input vector are
   pixels; a tap multiplies one weight vector by T of them.
3. A tile is summed in registers over all channels and taps. Taps of one phase share their inputs, shifted.
4. With a pool, rows of the convolution go to a ring of as many as its window is high; when a window is complete, its
   maxima are stored. The map of the convolution never exists. Rows and columns outside it are -inf.

Blocks of pooled rows are dealt out to threads. A block computes the rows that its first window shares with the block
before once more, so one thread has one block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.column_phases import ColumnPhases
from rdpass.kernels.builder.emit import Registers, bind, broadcast, lane, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_dense, pack_grouped_table
from rdpass.kernels.builder.pool_ring import PoolRing, Position
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name, shape_of
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import fitting
from rdpass.kernels.workload import Convolution, Stem
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class StemTile(Tile):
    """The integers to tune: pixels and vectors of the register tile, rows of a thread's block, pixels pooled at once.

    ``pixels`` is a multiple of the lanes where inputs are multiplied by element.
    """

    pixels: int = 8
    vectors: int = 2
    rows: int = 14
    pooled: int = 4


def stem(work: Stem, tile: StemTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C, H W), planar; weights (groups, C, KH, KW, V L); table (rows, groups V L); the map to add
    (where there is one and it is not the output); output (N, F/L, H' W', L), H' and W' after the pool.
    """
    conv, pool = work.convolution, work.pooling
    lanes = isa.block(conv.types.output)
    assert conv.groups == 1
    assert pool is None or (pool.kind == "max" and not conv.epilogue.add)
    outer = blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    height, width = (conv.out_height, conv.out_width) if pool is None else (pool.out_height, pool.out_width)
    block = height if threads == 1 else min(tile.rows, height)

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, conv.channels, conv.height * conv.width)
        w = argument("weights", conv.types.weight, groups, conv.channels, *conv.kernel, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv.epilogue, conv.types.output, conv.batch, outer, height * width, lanes)
        y = argument("output", conv.types.output, conv.batch, outer, height * width, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table, other)

        def cover(n: Expr, first: Expr, count: int) -> None:
            row = _Row(conv, tile, isa, x, w, writer)
            if pool is None:
                with serial(count) as step:
                    row.compute(n, first + step, y, _in_map(n, bind((first + step) * width)))
            else:
                ring = PoolRing(pool, outer, tile.pooled, isa)
                ring.cover(lambda number, position: row.compute(n, number, ring.rows, position), y, n, first, count)

        for begin, number, count in spans(height, block):
            with parallel(conv.batch, number, threads=threads) as (n, index):
                cover(n, bind(begin + index * block), count)

    return function(name, conv.types.accumulator, write)


def _in_map(n: Expr, first: Expr) -> Position:
    return lambda block, column: (n, block, first + column, 0)


class _Row:
    """Computes rows of the convolution, all output channels of each."""

    def __init__(
        self, conv: Convolution, tile: StemTile, isa: Isa, x: Buffer, w: Buffer, writer: EpilogueWriter
    ) -> None:
        self.conv, self.tile, self.isa, self.x, self.w, self.writer = conv, tile, isa, x, w, writer
        self.vector = isa.vector(conv.types.accumulator)
        self.columns = ColumnPhases(conv, self.vector)
        self.rows = self.columns.allocate()
        self.sums = Registers(tile.pixels * tile.vectors, self.vector)

    def compute(self, n: Expr, row: Expr, out: Buffer, position: Position) -> None:
        """Row ``row`` of image ``n``, to ``position(block of channels, column)`` of ``out``."""
        self.columns.fill(self.rows, self.x, n, row)
        outer = blocks(self.conv.filters, self.vector.lanes)
        with serial(blocks(outer, self.tile.vectors)) as group:

            def product(begin: Expr, size: int) -> None:
                shape = (size, self.tile.vectors)
                self.writer.start(self.sums, shape, group)
                with serial(self.conv.channels) as channel, serial(self.conv.kernel[0]) as line:
                    self._multiply((group, channel, line), begin, size)
                self.writer.end(self.sums, shape, group, outer, out, lambda t, block: position(block, begin + t))

            tiles(self.conv.out_width, self.tile.pixels, product)

    def _multiply(self, of: tuple[Expr, Expr, Expr], begin: Expr, size: int) -> None:
        """Add the products of one row of taps of one channel, phase by phase."""
        vectors, lanes = self.tile.vectors, self.vector.lanes
        inputs = self._by_element(of, begin) if self.isa.by_element else self._broadcast(of, begin)
        for tap in sorted(range(self.conv.kernel[1]), key=self.columns.place):
            weights = [bind(load(self.w, *of, tap, v * lanes, lanes=lanes)) for v in range(vectors)]
            for t in range(size):
                value = inputs(*self.columns.place(tap), t)
                for v in range(vectors):
                    at = t * vectors + v
                    self.sums[at] = self.sums[at] + weights[v] * value

    def _by_element(self, of: tuple[Expr, Expr, Expr], begin: Expr) -> Callable[[int, int, int], Expr]:
        """Inputs as lanes of vectors, each vector loaded once for all taps."""
        lanes = self.vector.lanes

        @cache
        def vector(phase: int, index: int) -> Expr:
            return bind(load(self.rows, *of[1:], phase, begin + index * lanes, lanes=lanes))

        return lambda phase, shift, t: lane(vector(phase, (shift + t) // lanes), (shift + t) % lanes, lanes)

    def _broadcast(self, of: tuple[Expr, Expr, Expr], begin: Expr) -> Callable[[int, int, int], Expr]:
        """Inputs broadcast as they are loaded."""
        return lambda phase, shift, t: bind(broadcast(self.rows[(*of[1:], phase, begin + shift + t)], self.vector))


class StemTemplate(Template[Stem, StemTile]):
    name = "stem"
    workload = Stem
    tile = StemTile
    types = FLOATS

    def misfit(self, work: Stem, machine: Machine) -> str | None:
        if work.convolution.groups > 1 or work.convolution.subpixels > 1:
            return "groups or subpixels"
        if work.pooling is not None and (work.pooling.kind != "max" or work.epilogue.add):
            return "a pool behind it that is no max pool, or of a sum of maps"
        return None

    def tiles(self, work: Stem, machine: Machine) -> Iterator[StemTile]:
        isa, conv = machine.isa, work.convolution
        lanes = isa.block(work.types.output)
        for size, vectors in fitting(conv.out_width, blocks(conv.filters, lanes), isa):
            if not isa.by_element or size % lanes == 0:
                for rows in block_heights(work, machine):
                    for pooled in (4, 2, 8) if work.pooling else (4,):
                        yield StemTile(size, vectors, rows, pooled)

    def default(self, work: Stem, machine: Machine) -> StemTile:
        """The widest tile that the registers hold."""
        vectors = 2 if blocks(work.convolution.filters, machine.isa.block(work.types.input)) % 2 == 0 else 1
        rows = block_heights(work, machine)[0]
        if machine.isa.by_element:
            return StemTile(8, vectors, rows)
        return StemTile(6 if machine.isa.registers < 32 else 12, vectors, rows)

    def weight_bytes(self, work: Stem, tile: StemTile, machine: Machine) -> int:
        conv, width = work.convolution, tile.vectors * machine.isa.block(work.types.input)
        return work.types.weight.size((*conv.kernel, dense_numbers(conv.filters, conv.channels, 1, width)))

    def build(self, work: Stem, constants: Sequence[Any], tile: StemTile, machine: Machine) -> tuple[Kernel, ...]:
        weights, rows = constants
        width = tile.vectors * machine.isa.block(work.types.input)
        name = stem_name(self.name, work, (tile.pixels, tile.vectors), machine.isa)
        function = stem(work, tile, machine.isa, machine.threads, name)
        packed = pack_dense(weights, 1, width, work.types.weight)[..., 0, :]
        table = pack_grouped_table(rows, 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Stem, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.stem(work, constants, inputs)


def block_heights(work: Stem, machine: Machine) -> list[int]:
    """Rows of a thread's block, the most first: threads share all rows evenly, in one to four blocks each."""
    height = (work.pooling or work.convolution).out_height
    shares = (1, 2, 4) if machine.threads > 1 else (1,)
    return sorted({-(-height // (machine.threads * share)) for share in shares}, reverse=True)


def stem_name(kind: str, work: Stem, register_tile: tuple[int, int], isa: Isa) -> str:
    pool = "" if work.pooling is None else f"_pool{work.pooling.kernel[0]}x{work.pooling.kernel[1]}"
    return kernel_name(kind, work, f"{pool}{shape_of(work.convolution)}_{register_tile[0]}x{register_tile[1]}", isa)


STEM = StemTemplate()
