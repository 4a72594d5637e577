"""f32 3x3 convolution of stride 1 by Winograd's F(m, 3), m = 2 or 4 down and across, on blocked channels.

Block by block of rows of tiles the steps of ``winograd_steps`` are taken. The second is where the time goes: it takes
2.25 (tiles of 2 x 2 outputs), 3 (4 x 2) or 4 times (4 x 4) fewer products than direct.

V is shared by all threads, M is each thread's own. Rounding is larger than a direct convolution's: see ``toom_cook``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import argument, function
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_grouped_table, pack_numbers
from rdpass.kernels.builder.toom_cook import transform_weights
from rdpass.kernels.builder.winograd_steps import OutputTile, Tiling, multiply, transform_back, transform_row
from rdpass.kernels.cost_model import (
    PASSING,
    REREAD,
    busiest_share,
    map_bytes,
    product_cycles,
    space_price,
    spilt_bytes,
    traffic_cycles,
)
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import FLOATS, Kernel, Template, kernel_of
from rdpass.kernels.tile_space import fitting_products, rows_of_tiles, waiting_groups
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa

# Vector operations to transform one channel block of a tile of inputs, and of outputs.
_TRANSFORM_IN = {(2, 2): 60, (4, 2): 125, (4, 4): 220}
_TRANSFORM_OUT = {(2, 2): 40, (4, 2): 90, (4, 4): 170}


@dataclass(frozen=True)
class WinogradTile(OutputTile):
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
    def edges(self) -> tuple[int, int]:
        """Inputs that it sees, and numbers that they are transformed into."""
        return self.size[0] + 2, self.size[1] + 2

    @property
    def numbers(self) -> int:
        return self.edges[0] * self.edges[1]


def winograd(conv: Convolution, tile: WinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, n n', C/L, L, V L), table (rows, groups V L), the map to add
    (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    tiling = Tiling(conv, isa, tile.size, tile.rows, tile.pixels, tile.vectors, tile.waiting)
    lanes, groups = tiling.vector.lanes, tiling.groups
    assert conv.kernel == (3, 3)
    assert conv.stride == conv.dilation == (1, 1)
    assert conv.groups == 1
    assert groups % tile.waiting == 0
    pixels, down = conv.out_height * conv.out_width, tile.size[0]

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, tiling.inner, conv.height * conv.width, lanes)
        u = argument("weights", conv.types.weight, groups, tiling.numbers, tiling.inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv.epilogue, conv.types.output, conv.batch, tiling.outer, pixels, lanes)
        y = argument("output", conv.types.output, conv.batch, tiling.outer, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table, other)
        v = tiling.allocate_inputs()
        for begin, number, count in spans(-(-conv.out_height // down), tile.rows):
            block_of = replace(tiling, rows=count)
            with serial(conv.batch) as n, serial(number) as block:
                top = bind((begin + block * count) * down)
                with parallel(count, tiling.inner, threads=threads) as (row, channel):
                    transform_row(block_of, x, v, n, channel, top, row)
                with parallel(groups // tile.waiting, threads=threads) as (turns,):
                    m = block_of.allocate_products()
                    multiply(block_of, u, v, m, turns)
                    transform_back(block_of, writer, m, y, n, turns, top)

    return function(name, conv.types.accumulator, write)


class Winograd(Template[Convolution, WinogradTile]):
    name = "winograd"
    workload = Convolution
    tile = WinogradTile
    types = FLOATS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return None if work.is_plain_3x3 else "not a 3x3 window of stride 1 without dilation and groups"

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[WinogradTile]:
        outer = blocks(work.filters, machine.isa.block(work.types.input))
        for outputs, wide in ((4, 0), (2, 0), (4, 2)):
            down, across = -(-work.out_height // outputs), -(-work.out_width // (wide or outputs))
            for size, vectors in fitting_products(down * across, outer, machine.isa):
                held = rows_of_tiles(down), waiting_groups((1, 2, 4, 8), blocks(outer, vectors), machine)
                for rows, waiting in combinations(*held):
                    yield WinogradTile(outputs, size, vectors, rows, waiting, wide)

    def cost(self, work: Convolution, tile: WinogradTile, machine: Machine) -> float:
        lanes = machine.isa.block(work.types.input)
        down, across = -(-work.out_height // tile.size[0]), -(-work.out_width // tile.size[1])
        numbers, held = tile.numbers, tile.rows * across
        inner, outer = blocks(work.channels, lanes), blocks(work.filters, lanes)
        columns = -(-held // tile.pixels)
        # Blocks of rows are of equal height but for the last.
        passes = -(-down // tile.rows) * work.batch
        filled = columns * tile.pixels
        products = (
            product_cycles((tile.pixels, tile.vectors), filled, work.channels, work.filters, work.types, machine)
            * numbers
        )
        transforms = held * (inner * _TRANSFORM_IN[tile.size] + outer * _TRANSFORM_OUT[tile.size])
        weights = work.types.weight.size((numbers, work.channels, work.filters))
        v = work.types.input.size((numbers, filled, inner, lanes))
        waiting = work.types.accumulator.size((numbers, filled, tile.waiting, tile.vectors, lanes))
        groups = blocks(outer, tile.vectors)
        # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
        again = v * (groups // tile.waiting)
        between = v + waiting + weights * tile.waiting // groups
        spilt = again + v if between > PASSING * machine.l2 else 0
        moved = map_bytes(work) + passes * (spilt + spilt_bytes(waiting, machine))
        traffic = traffic_cycles(weights, passes, v + waiting, moved, machine)
        share = down / tile.rows * work.batch * busiest_share(groups // tile.waiting, machine)
        cycles = share * (products + transforms / machine.multiplies + again / REREAD)
        return cycles + traffic + space_price(v // machine.threads + waiting, machine)

    def weight_bytes(self, work: Convolution, tile: WinogradTile, machine: Machine) -> int:
        lanes = machine.isa.block(work.types.input)
        one = dense_numbers(work.filters, work.channels, lanes, tile.vectors * lanes)
        return work.types.weight.size((tile.numbers, one))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: WinogradTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        name = convolution_name(self.label(tile), work, (tile.pixels, tile.vectors), machine.isa)
        function = winograd(work, tile, machine.isa, machine.threads, name)
        packed = pack_numbers(transform_weights(weights, tile.size), lanes, width, work.types.weight)
        table = pack_grouped_table(rows, 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.convolution(work, constants, inputs)

    def label(self, tile: WinogradTile) -> str:
        """winograd4, winograd4x2."""
        return self.name + tile.outputs_label


WINOGRAD = Winograd()
