"""f32 1x1 convolution: a matrix product on blocked channels, tiled in registers.

1. Pixels are cut into blocks, so that a block's input stays in cache over all output channels. With a stride a block is
   one row of the output.
2. Output channels are cut into groups of V vectors, whose weights stay in cache over the block's pixels. Splits of
   the groups may go to different threads.
3. A tile of T pixels x V vectors is summed over all input channels in registers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.chunked_sums import add_in_chunks
from rdpass.kernels.builder.emit import Registers, bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_dense, pack_grouped_table
from rdpass.kernels.builder.register_tile import At, multiply_block
from rdpass.kernels.cost_model import KEEPS, REREAD, busiest_share, map_bytes, product_cycles, traffic_cycles
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import block_cuts, fitting, pixel_block
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class PointwiseTile(Tile):
    """The integers to tune: pixels and vectors of the register tile, pixels of a block, splits of the output groups."""

    pixels: int = 8
    vectors: int = 2
    block: int = 56
    splits: int = 1


def pointwise(conv: Convolution, tile: PointwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, C/L, L, V L), table (rows, groups V L), the map to add (where
    there is one and it is not the output), output (N, F/L, H' W', L).
    """
    assert conv.is_pointwise
    vector = isa.vector(conv.types.accumulator)
    lanes = vector.lanes
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.splits == 0
    pixels = conv.out_height * conv.out_width
    block = pixel_block(conv, tile.block)

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, inner, conv.height * conv.width, lanes)
        w = argument("weights", conv.types.weight, groups, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv.epilogue, conv.types.output, conv.batch, outer, pixels, lanes)
        y = argument("output", conv.types.output, conv.batch, outer, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table, other)

        def cover(n: Expr, first: Expr, count: int, split: Expr) -> None:
            sums = Registers(tile.pixels * tile.vectors, vector)
            source = first if conv.stride == (1, 1) else bind(tirx.floordiv(first, block) * conv.stride[0] * conv.width)
            with serial(groups // tile.splits) as turn:
                group = bind(split * (groups // tile.splits) + turn)

                def product(offset: Expr, size: int) -> None:
                    at, begin = bind(first + offset), bind(source + offset * conv.stride[1])
                    shape = (size, tile.vectors)

                    def pixel(k: Expr, t: int) -> At:
                        return x, (n, k, begin + t * conv.stride[1])

                    writer.start(sums, shape, group)
                    add_in_chunks(
                        sums, size * tile.vectors, inner, lanes,
                        lambda k: multiply_block(
                            sums, isa, shape,
                            lambda t: pixel(k, t),
                            lambda c, v: load(w, group, k, c, v * lanes, lanes=lanes),
                        ),
                    )  # fmt: skip
                    writer.end(sums, shape, group, outer, y, lambda t, block: (n, block, at + t, 0))

                tiles(count, tile.pixels, product)

        for begin, number, count in spans(pixels, block):
            with parallel(conv.batch, number, tile.splits, threads=threads) as (n, index, split):
                cover(n, bind(begin + index * block), count, split)

    return function(name, conv.types.accumulator, write)


class Pointwise(Template[Convolution, PointwiseTile]):
    name = "pointwise"
    workload = Convolution
    tile = PointwiseTile
    types = FLOATS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return None if work.is_pointwise else "not a 1x1 window without padding, groups and subpixels"

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[PointwiseTile]:
        pixels = work.out_height * work.out_width
        outer = blocks(work.filters, machine.isa.block(work.types.input))
        for size, vectors in fitting(pixels if work.stride == (1, 1) else work.out_width, outer, machine.isa):
            for block, splits in block_cuts(work, size, blocks(outer, vectors), machine):
                yield PointwiseTile(size, vectors, block, splits)

    def cost(self, work: Convolution, tile: PointwiseTile, machine: Machine) -> float:
        pixels = work.out_pixels
        block = pixel_block(work, tile.block)
        passes = -(-pixels // block) * work.batch
        last = pixels % block
        cycles = 0.0
        for number, size in ((pixels // block, block), (1, last)):
            if number and size:
                one = product_cycles(
                    (tile.pixels, tile.vectors), size, work.channels, work.filters, work.types, machine
                )
                cycles += number * one * busiest_share(number * tile.splits * work.batch, machine)
        weights = work.types.weight.size((work.channels, work.filters))
        held = work.types.input.size((block, work.channels))
        groups = blocks(blocks(work.filters, machine.isa.block(work.types.input)), tile.vectors)
        # Where a block's input is too large for L1, every group reads it from L2 again.
        again = held * groups * passes if held > machine.l1 / 2 else weights * passes
        maps = map_bytes(work) + (again if held + weights // groups > KEEPS * machine.l2 else 0)
        own = work.batch * cycles + again / REREAD / machine.threads
        return own + traffic_cycles(weights, passes, held, maps, machine)

    def weight_bytes(self, work: Convolution, tile: PointwiseTile, machine: Machine) -> int:
        lanes = machine.isa.block(work.types.input)
        return work.types.weight.size((dense_numbers(work.filters, work.channels, lanes, tile.vectors * lanes),))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: PointwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        name = convolution_name(self.name, work, (tile.pixels, tile.vectors), machine.isa)
        function = pointwise(work, tile, machine.isa, machine.threads, name)
        packed = pack_dense(weights[:, :, 0, 0], lanes, width, work.types.weight)
        table = pack_grouped_table(rows, 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.convolution(work, constants, inputs)


POINTWISE = Pointwise()
