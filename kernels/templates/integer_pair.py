"""Integer 1x1 convolution, activation, 1x1 convolution in one kernel: the wide map between them never exists.

For every block of pixels:
1. All channels of the wide map are computed for these pixels, as bytes, into scratch that stays in cache.
2. The second convolution is computed from them.

A byte holds no partial sum, so the wide channels are not cut into chunks, as those of the pair of floats are: they take
a quarter of the room. Threads take blocks of pixels or, where there are few, both steps' output groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, spans, tiles
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, scratch
from rdpass.kernels.builder.integer_products import BLOCK, STEP, At, Walk, pack_steps, products_of
from rdpass.kernels.builder.integer_tile import IntegerTile, Numbers, Position, pack_numbers, short_of
from rdpass.kernels.builder.packing import blocks, dense_numbers
from rdpass.kernels.cost_model import KEEPS, REREAD, busiest_share, integer_cycles, space_price, traffic_cycles
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.quantization import Short
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import fitting_integers, pixel_blocks
from rdpass.kernels.workload import Convolution, PointwisePair
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class IntegerPairTile(Tile):
    """The integers to tune: pixels and blocks of outputs of the register tile, pixels of a block; ``groups_parallel``:
    threads share a block.
    """

    pixels: int = 4
    out: int = 1
    block: int = 28
    groups_parallel: bool = False


_NOTHING_SHORT = Short.NOTHING, Short.NOTHING


def integer_pair(
    pair: PointwisePair, tile: IntegerPairTile, isa: Isa, threads: int, name: str,
    short: tuple[Short, Short] = _NOTHING_SHORT,
) -> tirx.PrimFunc:  # fmt: skip
    """Arguments: input (N, C/16, P, 16), then weights (groups, C/16, 256 B), biases and factors (groups 16 B), and
    scalars of the first and of the second convolution, the map to add (where there is one and it is not the output),
    output (N, F/16, P, 16). ``short``: what is short of either's numbers.
    """
    first, second = pair.first, pair.second
    pixels, block = first.height * first.width, min(tile.block, first.height * first.width)
    wide, outer = blocks(first.filters, BLOCK), blocks(second.filters, BLOCK)
    outside, inside = (1, threads) if tile.groups_parallel else (threads, 1)
    assert not first.epilogue.add

    def write() -> None:
        x = argument("input", first.types.input, first.batch, blocks(first.channels, BLOCK), pixels, BLOCK)
        layers = zip((first, second), short, ("_1", "_2"), strict=True)
        widen, shrink = (_Layer(conv, tile, of, suffix) for conv, of, suffix in layers)
        other = other_argument(second.epilogue, second.types.output, second.batch, outer, pixels, BLOCK)
        y = argument("output", second.types.output, second.batch, outer, pixels, BLOCK)

        def cover(n: Expr, begin: Expr, count: int) -> None:
            hidden = scratch(wide, count, BLOCK)
            with parallel(widen.groups, threads=inside) as (group,):
                widen.write(
                    isa, group, count, lambda k, at: (x, (n, k, begin + at)),
                    hidden, lambda at, block: (block, at, 0),
                )  # fmt: skip
            with parallel(shrink.groups, threads=inside) as (group,):
                shrink.write(
                    isa, group, count, lambda k, at: (hidden, (k, at)),
                    y, lambda at, block: (n, block, begin + at, 0), other,
                )  # fmt: skip

        for start, number, count in spans(pixels, block):
            with parallel(first.batch, number, threads=outside) as (n, index):
                cover(n, bind(start + index * count), count)

    return function(name, first.types.input, write)


class _Layer:
    """One of both convolutions: its arguments, and its sums for a group of outputs."""

    def __init__(self, conv: Convolution, tile: IntegerPairTile, short: Short, suffix: str) -> None:
        self.conv, self.tile, self.short = conv, tile, short
        self.inner, self.outer = (blocks(channels, BLOCK) for channels in (conv.channels, conv.filters))
        self.groups = blocks(self.outer, tile.out)
        self.weights = argument(f"weights{suffix}", conv.types.weight, self.groups, self.inner, STEP * tile.out)
        self.numbers = Numbers.arguments(self.groups * tile.out * BLOCK, suffix)

    def write(
        self, isa: Isa, group: Expr, count: int, source: Callable[[Expr, Expr], At], out: Buffer, position: Position,
        other: Buffer | None = None,
    ) -> None:  # fmt: skip
        """Store a group of outputs of ``count`` pixels, read from ``source(block of channels, pixel)``."""
        size = self.tile.pixels, self.tile.out
        sums = IntegerTile(isa, self.conv.types, self.conv.epilogue, size, self.numbers, other, self.short)

        def product(offset: Expr, width: int) -> None:
            walk = Walk(
                (self.inner,),
                lambda at, _, t: source(at[0], offset + t),
                lambda at, _: (self.weights, (group, at[0])),
            )
            sums.write(width, group, self.outer, walk, out, lambda t, block: position(offset + t, block))

        tiles(count, self.tile.pixels, product)


class IntegerPair(Template[PointwisePair, IntegerPairTile]):
    name = "integer_pair"
    workload = PointwisePair
    tile = IntegerPairTile
    types = INTEGERS

    def misfit(self, work: PointwisePair, machine: Machine) -> str | None:
        if not work.is_of_stride_1:
            return "not two 1x1 windows of stride 1"
        if work.first.types.output is not work.second.types.input:
            return "a map of other numbers between both"
        return "a map is added between both" if work.first.epilogue.add else None

    def tiles(self, work: PointwisePair, machine: Machine) -> Iterator[IntegerPairTile]:
        pixels = work.first.height * work.first.width
        narrowest = min(blocks(conv.filters, BLOCK) for conv in (work.first, work.second))
        for size, out in fitting_integers(pixels, narrowest, machine.isa, work.types):
            for block in pixel_blocks(pixels, size):
                count = -(-pixels // block) * work.first.batch
                yield IntegerPairTile(size, out, block, groups_parallel=1 < machine.threads > count)

    def cost(self, work: PointwisePair, tile: IntegerPairTile, machine: Machine) -> float:
        first, second = work.first, work.second
        pixels = first.height * first.width
        block = min(tile.block, pixels)
        passes = -(-pixels // block) * first.batch
        weights, again = 0, 0
        for conv in (first, second):
            read, groups = block * conv.channels, blocks(blocks(conv.filters, BLOCK), tile.out)
            weights += conv.channels * conv.filters
            # Where a block's input is too large for L1, every group reads it from L2 again.
            again += passes * (read * groups if read > machine.l1 / 2 else conv.channels * conv.filters)
        held = block * (first.channels + first.filters)
        maps = first.batch * pixels * (first.channels + second.types.output.bytes * second.filters)
        if held > KEEPS * machine.l2:
            maps += again
        own = first.batch * _product_cycles(work, tile, machine) + again / REREAD / machine.threads
        hidden = block * first.filters
        return own + traffic_cycles(weights, passes, held, maps, machine) + space_price(hidden, machine)

    def weight_bytes(self, work: PointwisePair, tile: IntegerPairTile, machine: Machine) -> int:
        both = work.first, work.second
        return sum(dense_numbers(conv.filters, conv.channels, BLOCK, tile.out * BLOCK) for conv in both)

    def build(
        self, work: PointwisePair, constants: Sequence[Any], tile: IntegerPairTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        first, second, width = work.first, work.second, tile.out * BLOCK
        shape = f"_{first.channels}_{first.filters}_{second.filters}_{first.height}x{first.width}"
        layers = (*zip(*constants, strict=True),)
        wide, narrow = (short_of(machine.isa, layer, work.types.input) for layer in layers)
        word = wide if wide is narrow else f"{wide}_then{narrow}"
        name = kernel_name(f"pair{word}", work, f"{shape}_{tile.pixels}x{width}", machine.isa)
        function = integer_pair(work, tile, machine.isa, machine.threads, name, (wide, narrow))
        packed: list[Array] = []
        for (weights, bias, by), short in zip(layers, (wide, narrow), strict=True):
            packed.append(pack_steps(weights[:, :, 0, 0], tile.out, products_of(machine.isa, work.types)))
            packed += pack_numbers(weights, bias, by, 1, width, short)
        return (kernel_of(work, machine, name, function, *packed),)

    def oracle(self, work: PointwisePair, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.pointwise_pair(work, constants, inputs)


def _product_cycles(pair: PointwisePair, tile: IntegerPairTile, machine: Machine) -> float:
    """Cycles of both steps' products, for one image."""
    pixels = pair.first.height * pair.first.width
    size = tile.pixels, tile.out
    cycles = 0.0
    for _, count, block in spans(pixels, min(tile.block, pixels)):
        for conv in (pair.first, pair.second):
            tasks = blocks(blocks(conv.filters, BLOCK), tile.out) if tile.groups_parallel else count * conv.batch
            one = integer_cycles(size, block, conv.channels, conv.filters, conv.types, machine)
            cycles += count * one * busiest_share(tasks, machine)
    return cycles


INTEGER_PAIR = IntegerPair()
