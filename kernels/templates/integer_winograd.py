"""Integer 3x3 convolution of stride 1 by Winograd's F(4, 3), exact: bytes transformed to int16, products in int32.

It takes a quarter of the products of a direct convolution, each of int16 instead of bytes: where no instruction sums
four bytes at once, that is half the time. Every sum is the direct convolution's, bit for bit (``integer_toom_cook``). A
filter of nine bytes becomes 36 numbers of int16, which is eight times the room, and counts where it comes from memory.

V is shared by all threads, M is each thread's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT16, INT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import argument, function
from rdpass.kernels.builder.integer_products import BLOCK, STEP
from rdpass.kernels.builder.integer_tile import Numbers, pack_numbers
from rdpass.kernels.builder.integer_toom_cook import NUMBERS, OUTPUTS, transform_weights
from rdpass.kernels.builder.integer_winograd_steps import Tiling, multiply, transform_back, transform_row
from rdpass.kernels.builder.packing import blocks, dense_numbers
from rdpass.kernels.builder.requantization import Requantizer
from rdpass.kernels.builder.short_products import pack_short_steps, short_products_of
from rdpass.kernels.cost_model import (
    PASSING,
    REREAD,
    busiest_share,
    map_bytes,
    short_cycles,
    spilt_bytes,
    traffic_cycles,
)
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.tile_space import rows_of_tiles
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa

_TRANSFORM_IN = 580
"""Instructions to transform sixteen channels of a tile of inputs, on vectors of 16 bytes."""
_TRANSFORM_OUT = 1300
"""Instructions from sixteen channels' products of a tile to its sums."""
_SPACE = 4
"""Cycles of all threads that a byte of workspace is worth: it is larger than the maps, and sets a network's peak."""
_REQUANTIZING = 24
"""Instructions from sixteen sums to sixteen bytes."""


@dataclass(frozen=True)
class IntegerWinogradTile(Tile):
    """The integers to tune: tiles and blocks of outputs of the register tile, rows of tiles in a block."""

    pixels: int = 4
    out: int = 1
    rows: int = 1


def integer_winograd(conv: Convolution, tile: IntegerWinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), weights (groups, 36, C/16, 256 B) of int16, biases and factors (groups
    16 B), scalars, the map to add (where there is one and it is not the output), output (N, F/16, H' W', 16).
    """
    tiling = Tiling(conv, isa, tile.rows, tile.pixels, tile.out)
    types, groups = conv.types, tiling.groups
    pixels = conv.out_height * conv.out_width

    def write() -> None:
        x = argument("input", types.input, conv.batch, tiling.inner, conv.height * conv.width, BLOCK)
        u = argument("weights", INT16, groups, NUMBERS, tiling.inner, STEP * tile.out)
        numbers = Numbers.arguments(groups * tile.out * BLOCK)
        other = other_argument(conv.epilogue, types.output, conv.batch, tiling.outer, pixels, BLOCK)
        y = argument("output", types.output, conv.batch, tiling.outer, pixels, BLOCK)
        writer = Requantizer(conv.epilogue, isa, types, numbers.factors, numbers.scalars, other)
        v = tiling.allocate_inputs()
        for begin, number, count in spans(blocks(conv.out_height, OUTPUTS), tile.rows):
            block_of = replace(tiling, rows=count)
            with serial(conv.batch) as n, serial(number) as block:
                top = bind((begin + block * count) * OUTPUTS)
                with parallel(count, tiling.inner, threads=threads) as (row, channels):
                    transform_row(block_of, x, v, numbers.border(types.input), n, channels, top, row)
                with parallel(groups, threads=threads) as (group,):
                    m = block_of.allocate_products()
                    multiply(block_of, u, v, m, group)
                    transform_back(block_of, writer, numbers.bias, m, y, n, group, top)

    return function(name, types.input, write)


class IntegerWinograd(Template[Convolution, IntegerWinogradTile]):
    name = "integer_winograd"
    workload = Convolution
    tile = IntegerWinogradTile
    types = INTEGERS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return None if work.is_plain_3x3 else "not a 3x3 window of stride 1 without dilation and groups"

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[IntegerWinogradTile]:
        down, across = blocks(work.out_height, OUTPUTS), blocks(work.out_width, OUTPUTS)
        outer, way = blocks(work.filters, BLOCK), short_products_of(machine.isa)
        for out, size in combinations((1, 2), range(min(down * across, 7), 0, -1)):
            if out <= outer and way.fits(machine.isa, size, out):
                yield from (IntegerWinogradTile(size, out, rows) for rows in rows_of_tiles(down))

    def cost(self, work: Convolution, tile: IntegerWinogradTile, machine: Machine) -> float:
        tiling = Tiling(work, machine.isa, tile.rows, tile.pixels, tile.out)
        inner, outer, groups = tiling.inner, tiling.outer, tiling.groups
        down, held = blocks(work.out_height, OUTPUTS), tiling.held
        passes = blocks(down, tile.rows) * work.batch
        products = NUMBERS * short_cycles((tile.pixels, tile.out), held, work.channels, work.filters, machine)
        narrow = BLOCK / machine.isa.vector_bytes
        after = _TRANSFORM_OUT * tiling.slices + OUTPUTS * OUTPUTS * _REQUANTIZING
        transforms = held * (inner * _TRANSFORM_IN + outer * after) * narrow / (2 * machine.multiplies)
        weights = INT16.bytes * NUMBERS * work.channels * work.filters
        v = INT16.bytes * NUMBERS * tiling.columns * tile.pixels * inner * BLOCK
        waiting = INT32.bytes * NUMBERS * tiling.slices * held * tile.out * BLOCK
        again = v * groups
        between = v + waiting + weights // groups
        spilt = again + v if between > PASSING * machine.l2 else 0
        moved = map_bytes(work) + passes * (spilt + spilt_bytes(waiting, machine))
        traffic = traffic_cycles(weights, passes, v + waiting, moved, machine)
        one = products * busiest_share(groups, machine) + transforms / machine.threads
        cycles = one * work.batch * down / tile.rows
        reread = (weights + again) * passes / REREAD / machine.threads
        return cycles + reread + traffic + _SPACE * (v / machine.threads + waiting)

    def weight_bytes(self, work: Convolution, tile: IntegerWinogradTile, machine: Machine) -> int:
        return INT16.size((NUMBERS, dense_numbers(work.filters, work.channels, BLOCK, tile.out * BLOCK)))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: IntegerWinogradTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        weights, bias, by = constants
        width = tile.out * BLOCK
        name = convolution_name("winograd", work, (tile.pixels, width), machine.isa)
        function = integer_winograd(work, tile, machine.isa, machine.threads, name)
        packed = pack_short_steps(transform_weights(weights), tile.out, short_products_of(machine.isa))
        return (kernel_of(work, machine, name, function, packed, *pack_numbers(weights, bias, by, 1, width)),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.convolution(work, constants, inputs)


INTEGER_WINOGRAD = IntegerWinograd()
