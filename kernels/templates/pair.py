"""f32 1x1 convolution, activation, 1x1 convolution, activation in one kernel: the wide map between them never exists.

Only a network without shortcuts allows it: a block's last 1x1 and the next one's first meet with nothing in between.
For every block of pixels, and in it for every chunk of the wide map's channels:
1. The chunk's channels are computed for these pixels, into scratch that stays in cache.
2. Their share of the second convolution is added to the output; between chunks the sums wait there.

Threads take blocks of pixels or, where there are few, both steps' output groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT16
from rdpass.kernels import reference
from rdpass.kernels.builder.chunked_sums import add_in_chunks
from rdpass.kernels.builder.emit import Registers, bind, broadcast, indices, parallel, serial, spans, tiles, when
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, scratch, store
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_dense, pack_grouped_table, pad_axis
from rdpass.kernels.builder.register_tile import multiply_block
from rdpass.kernels.cost_model import KEEPS, REREAD, busiest_share, product_cycles, space_price, traffic_cycles
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import fitting, pixel_blocks
from rdpass.kernels.workload import PointwisePair
from rdpass.targets.isa import Isa

_WAITING = 16
"""Bytes a cycle of sums that wait in the output, stored and loaded again."""


@dataclass(frozen=True)
class PairTile(Tile):
    """The integers to tune: pixels and vectors of the register tile, pixels of a block, chunks of the wide map;
    ``groups_parallel``: threads share a block.
    """

    pixels: int = 8
    vectors: int = 2
    block: int = 56
    chunks: int = 1
    groups_parallel: bool = False


def pointwise_pair(pair: PointwisePair, tile: PairTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L), then weights (groups, C/L, L, V L) and table (rows, groups V L) of the first and
    of the second convolution, the map to add (where there is one and it is not the output), output (N, F/L, P, L).
    """
    return function(name, pair.second.types.accumulator, lambda: _Pair(pair, tile, isa).write(threads))


class _Pair:
    """The kernel as it is written: its numbers, then its arguments, then the two steps."""

    def __init__(self, pair: PointwisePair, tile: PairTile, isa: Isa) -> None:
        self.first, self.second, self.tile, self.isa = pair.first, pair.second, tile, isa
        self.vector = isa.vector(pair.second.types.accumulator)
        self.lanes = self.vector.lanes
        self.pixels = pair.first.height * pair.first.width
        middle, self.outer = (blocks(conv.filters, self.lanes) for conv in (pair.first, pair.second))
        self.inner = blocks(pair.first.channels, self.lanes)
        self.wide, self.groups = blocks(middle, tile.vectors), blocks(self.outer, tile.vectors)
        assert self.wide % tile.chunks == 0
        assert not pair.first.epilogue.add
        # Sums that wait in the output need all of their group's channels there, and nobody else's numbers.
        waits_well = self.outer % tile.vectors == 0 and not pair.second.epilogue.in_place
        assert tile.chunks == 1 or waits_well
        self.chunk = self.wide // tile.chunks
        # The last group of the wide map may be padded; the second convolution's weights have zeros there.
        self.depth = self.chunk * tile.vectors
        self._arguments()

    def _arguments(self) -> None:
        first, second, lanes = self.first, self.second, self.lanes
        width = self.tile.vectors * lanes
        self.x = argument("input", first.types.input, first.batch, self.inner, self.pixels, lanes)
        self.w1 = argument("weights_1", first.types.weight, self.wide, self.inner, lanes, width)
        table1 = argument("table_1", first.types.accumulator, first.epilogue.rows, self.wide * width)
        self.w2 = argument("weights_2", second.types.weight, self.groups, self.wide * self.tile.vectors, lanes, width)
        table2 = argument("table_2", second.types.accumulator, second.epilogue.rows, self.groups * width)
        other = other_argument(second.epilogue, second.types.output, second.batch, self.outer, self.pixels, lanes)
        self.y = argument("output", second.types.output, first.batch, self.outer, self.pixels, lanes)
        self.widened = EpilogueWriter(first.epilogue, self.isa, first.types.accumulator, table1)
        self.shrunk = EpilogueWriter(second.epilogue, self.isa, second.types.accumulator, table2, other)

    def write(self, threads: int) -> None:
        tile, block = self.tile, min(self.tile.block, self.pixels)
        outside, inside = (1, threads) if tile.groups_parallel else (threads, 1)
        for start, number, count in spans(self.pixels, block):
            with parallel(self.first.batch, number, threads=outside) as (n, index):
                begin = bind(start + index * block)
                hidden = scratch(self.depth, count, self.lanes)
                with serial(tile.chunks) as chunk:
                    for groups, step in ((self.chunk, self._widen), (self.groups, self._shrink)):
                        with parallel(groups, threads=inside) as (group,):
                            sums = Registers(tile.pixels * tile.vectors, self.vector)
                            turn = partial(step, hidden, sums, (n, begin), chunk, group)
                            tiles(count, tile.pixels, turn)

    def _widen(
        self, hidden: Buffer, sums: Registers, at: tuple[Expr, Expr], chunk: Expr, turn: Expr, offset: Expr, size: int
    ) -> None:
        """Step 1 for a tile."""
        shape, lanes = (size, self.tile.vectors), self.lanes
        n, pixel = at[0], bind(at[1] + offset)
        group = bind(chunk * self.chunk + turn)
        self.widened.start(sums, shape, group)
        add_in_chunks(
            sums, size * self.tile.vectors, self.inner, lanes,
            lambda k: multiply_block(
                sums, self.isa, shape,
                lambda t: (self.x, (n, k, pixel + t)),
                lambda c, v: load(self.w1, group, k, c, v * lanes, lanes=lanes),
            ),
        )  # fmt: skip
        self.widened.end(
            sums, shape, turn, self.depth, hidden, lambda t, block: (block, offset + t, 0), table_group=group
        )

    def _shrink(
        self, hidden: Buffer, sums: Registers, at: tuple[Expr, Expr], chunk: Expr, group: Expr, offset: Expr, size: int
    ) -> None:
        """Step 2 for a tile."""
        shape, lanes = (size, self.tile.vectors), self.lanes
        n, pixel = at[0], bind(at[1] + offset)
        waiting = [
            (t * self.tile.vectors + v, (n, group * self.tile.vectors + v, pixel + t, 0))
            for v, t in indices(self.tile.vectors, size)
        ]

        def resume() -> None:
            for index, place in waiting:
                sums[index] = broadcast(0.0, self.vector) if short else load(self.y, *place, lanes=lanes)

        def join() -> None:
            for index, place in waiting:
                sums[index] = load(self.y, *place, lanes=lanes) + sums[index]

        def suspend() -> None:
            for index, place in waiting:
                store(self.y, sums[index], *place, lanes=lanes)

        def complete() -> None:
            self.shrunk.end(sums, shape, group, self.outer, self.y, lambda t, block: (n, block, pixel + t, 0))

        once = self.tile.chunks == 1
        # Sums of float16 are to stay short (``chunked_sums``): those of a chunk begin at zero.
        short = self.vector.numeric is FLOAT16
        when(once or chunk == 0, lambda: self.shrunk.start(sums, shape, group), resume)
        add_in_chunks(
            sums, size * self.tile.vectors, self.depth, lanes,
            lambda k: multiply_block(
                sums, self.isa, shape,
                lambda t: (hidden, (k, offset + t)),
                lambda c, v: load(self.w2, group, chunk * self.depth + k, c, v * lanes, lanes=lanes),
            ),
        )  # fmt: skip
        if short and not once:
            when(chunk > 0, join)
        when(once or chunk == self.tile.chunks - 1, complete, suspend)


class Pair(Template[PointwisePair, PairTile]):
    name = "pair"
    workload = PointwisePair
    tile = PairTile
    types = FLOATS

    def misfit(self, work: PointwisePair, machine: Machine) -> str | None:
        if not work.is_of_stride_1:
            return "not two 1x1 windows of stride 1"
        return "a map is added between both" if work.first.epilogue.add else None

    def tiles(self, work: PointwisePair, machine: Machine) -> Iterator[PairTile]:
        lanes = machine.isa.block(work.types.input)
        pixels = work.first.height * work.first.width
        middle, outer = blocks(work.first.filters, lanes), blocks(work.second.filters, lanes)
        for size, vectors in fitting(pixels, min(middle, outer), machine.isa):
            for block in pixel_blocks(pixels, size):
                for chunks in (1, 2, 4, 8):
                    legal = chunks == 1 or (outer % vectors == 0 and not work.second.epilogue.in_place)
                    if legal and blocks(middle, vectors) % chunks == 0:
                        count = -(-pixels // block) * work.first.batch
                        yield PairTile(size, vectors, block, chunks, groups_parallel=1 < machine.threads > count)

    def cost(self, work: PointwisePair, tile: PairTile, machine: Machine) -> float:
        first, second = work.first, work.second
        pixels = first.height * first.width
        block = min(tile.block, pixels)
        passes = -(-pixels // block) * first.batch
        types = work.types
        weights = types.weight.size((first.filters, first.channels + second.filters))
        held = types.input.size((block, first.channels + first.filters // tile.chunks))
        read, written = ((first.batch, pixels, count) for count in (first.channels, second.filters))
        maps = maps_once = types.input.size(read) + types.output.size(written)
        waits = types.output.size((pixels, second.filters, tile.chunks - 1, 2))
        crowded = held > machine.l1 / 2
        groups = blocks(blocks(first.filters, machine.isa.block(work.types.input)), tile.vectors)
        again = held * groups * passes if crowded else weights * passes
        if held + weights // groups > KEEPS * machine.l2:
            maps += again
        # Every chunk reads its block's input and sums again, from memory if a step of the chunk leaves neither in L2.
        if held + types.output.size((block, second.filters)) + weights // tile.chunks // 2 > KEEPS * machine.l2:
            maps += (tile.chunks - 1) * maps_once
        own = first.batch * _product_cycles(work, tile, machine) + (again / REREAD + waits / _WAITING) / machine.threads
        hidden = types.input.size((block, first.filters)) // tile.chunks
        return own + traffic_cycles(weights, passes, held, maps, machine) + space_price(hidden, machine)

    def weight_bytes(self, work: PointwisePair, tile: PairTile, machine: Machine) -> int:
        lanes, first, second = machine.isa.block(work.types.input), work.first, work.second
        width = tile.vectors * lanes
        wide = blocks(first.filters, width) * width
        both = (first.filters, first.channels), (second.filters, wide)
        return sum(work.types.weight.size((dense_numbers(*layer, lanes, width),)) for layer in both)

    def build(
        self, work: PointwisePair, constants: Sequence[Any], tile: PairTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        wide = blocks(work.first.filters, width) * width
        first, second = work.first, work.second
        shape = f"_{first.channels}_{first.filters}_{second.filters}_{first.height}x{first.width}"
        name = kernel_name(self.name, work, f"{shape}_{tile.pixels}x{tile.vectors}", machine.isa)
        function = pointwise_pair(work, tile, machine.isa, machine.threads, name)
        return (
            kernel_of(
                work, machine, name, function,
                pack_dense(weights[0][:, :, 0, 0], lanes, width, work.types.weight),
                pack_grouped_table(rows[0], 1, width, work.types.accumulator),
                # The wide map is padded to whole groups.
                pack_dense(pad_axis(weights[1][:, :, 0, 0], 1, wide), lanes, width, work.types.weight),
                pack_grouped_table(rows[1], 1, width, work.types.accumulator),
            ),
        )  # fmt: skip

    def oracle(self, work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.pointwise_pair(work, constants, inputs)


def _product_cycles(pair: PointwisePair, tile: PairTile, machine: Machine) -> float:
    """Cycles of both steps' products, for one image."""
    first, second = pair.first, pair.second
    pixels = first.height * first.width
    block, lanes = min(tile.block, pixels), machine.isa.block(pair.types.input)
    inner, outer = (blocks(blocks(conv.filters, lanes), tile.vectors) for conv in (first, second))
    cycles = 0.0
    for count, size in ((pixels // block, block), (1 if pixels % block else 0, pixels % block)):
        if count:
            steps = (first.channels, first.filters, inner // tile.chunks), (first.filters, second.filters, outer)
            for channels, filters, groups in steps:
                tasks = groups if tile.groups_parallel else count * first.batch
                one = product_cycles((tile.pixels, tile.vectors), size, channels, filters, pair.types, machine)
                cycles += count * one * busiest_share(tasks, machine)
    return cycles


PAIR = Pair()
