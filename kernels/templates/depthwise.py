"""f32 depthwise k x k convolution on blocked channels: any stride and dilation.

1. Every block of channels is a task of its own.
2. Its map is cut into tiles of R rows x T pixels. Taps that lie outside the map are left out (``borders``); nothing is
   copied.
3. A tile is summed in registers. The input is gone through row by row: a row's pixels are loaded once for all taps and
   all rows of the tile that see them. Weights stay in registers over the whole map where there is room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.borders import Axis, AxisTile, each_tile
from rdpass.kernels.builder.emit import Registers, bind, parallel
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks, pack_depthwise, pack_grouped_table
from rdpass.kernels.cost_model import LATENCY
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa

_Weight = Callable[[int, int], Expr]

_OTHERS = 4
"""Registers for the bias, two bounds, and one in passing."""

_TILES = ((2, 4), (2, 5), (3, 4), (3, 3), (1, 4), (1, 8), (2, 7), (1, 7), (4, 4))
"""Rows and pixels of the tiles that are tried."""


@dataclass(frozen=True)
class DepthwiseTile(Tile):
    """The integers to tune: rows and pixels of the register tile."""

    rows: int = 2
    pixels: int = 4


def depthwise(conv: Convolution, tile: DepthwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (C/L, KH, KW, L), table (rows, C), the map to add (where there is one
    and it is not the output), output (N, C/L, H' W', L).
    """
    assert conv.is_depthwise
    vector = isa.vector(conv.types.accumulator)
    lanes = vector.lanes
    count = blocks(conv.channels, lanes)
    down, across = axes(conv)

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, count, conv.height * conv.width, lanes)
        w = argument("weights", conv.types.weight, count, *conv.kernel, lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, count * lanes)
        other = other_argument(
            conv.epilogue, conv.types.output, conv.batch, count, conv.out_height * conv.out_width, lanes
        )
        y = argument("output", conv.types.output, conv.batch, count, conv.out_height * conv.out_width, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, conv.types.accumulator, table, other)

        with parallel(conv.batch, count, threads=threads) as (n, block):
            sums = Registers(tile.rows * tile.pixels, vector)
            weight = _weights(conv, tile, isa, w, block)

            def product(rows: AxisTile, columns: AxisTile) -> None:
                size = (rows.size * columns.size, 1)
                writer.start(sums, size, block)
                _multiply(conv, sums, rows, columns, _pixels(conv, isa, x, n, block, rows, columns), weight)
                at = bind(rows.first * conv.out_width + columns.first)
                writer.end(
                    sums, size, block, count, y,
                    lambda t, _: (n, block, at + t // columns.size * conv.out_width + t % columns.size, 0),
                )  # fmt: skip

            each_tile(down, tile.rows, lambda rows: each_tile(across, tile.pixels, lambda cols: product(rows, cols)))

    return function(name, conv.types.accumulator, write)


def axes(conv: Convolution) -> tuple[Axis, Axis]:
    """Down and across the map."""
    top, left = conv.padding[:2]
    return (
        Axis(conv.height, conv.out_height, conv.stride[0], top, conv.reach[0]),
        Axis(conv.width, conv.out_width, conv.stride[1], left, conv.reach[1]),
    )


def holds_weights(conv: Convolution, tile: DepthwiseTile, isa: Isa) -> bool:
    """Tell whether all weights of a block find room in registers, beside a tile's sums and a row of its inputs."""
    return conv.kernel[0] * conv.kernel[1] + _needed(conv, tile, isa) <= isa.registers


def registers_missing(conv: Convolution, tile: DepthwiseTile, isa: Isa) -> int:
    """Registers that a tile wants, with one row of weights, beyond those that there are."""
    return max(0, conv.kernel[1] + _needed(conv, tile, isa) - isa.registers)


def _needed(conv: Convolution, tile: DepthwiseTile, isa: Isa) -> int:
    inputs = (tile.pixels - 1) * conv.stride[1] + conv.reach[1] if isa.by_element else 1
    return tile.rows * tile.pixels + inputs + _OTHERS


def _weights(conv: Convolution, tile: DepthwiseTile, isa: Isa, w: Buffer, block: Expr) -> _Weight:
    """The weights of a block: loaded here if they stay in registers."""
    (kh, kw), lanes = conv.kernel, isa.block(conv.types.input)

    def weight(i: int, j: int) -> Expr:
        return bind(load(w, block, i, j, 0, lanes=lanes))

    if not holds_weights(conv, tile, isa):
        return weight
    held = {(i, j): weight(i, j) for i in range(kh) for j in range(kw)}
    return lambda i, j: held[i, j]


def _pixels(
    conv: Convolution, isa: Isa, x: Buffer, n: Expr, block: Expr, rows: AxisTile, columns: AxisTile
) -> Callable[[int, int], Expr]:
    """The input by row and column of what the tile sees, each loaded where it is first asked for."""

    lanes = isa.block(conv.types.input)

    @cache
    def row(offset: int) -> Expr:
        return bind(rows.input(offset) * conv.width)

    @cache
    def pixel(down: int, across: int) -> Expr:
        return bind(load(x, n, block, row(down) + columns.input(across), 0, lanes=lanes))

    return pixel


def _multiply(
    conv: Convolution,
    sums: Registers,
    rows: AxisTile,
    columns: AxisTile,
    pixel: Callable[[int, int], Expr],
    weight: _Weight,
) -> None:
    """Add all products of a tile, row of input by row of input."""
    (kh, kw), (dh, dw), (sh, sw) = conv.kernel, conv.dilation, conv.stride
    for down in range((rows.size - 1) * sh + conv.reach[0]):
        users = [(r, i) for r in range(rows.size) for i in range(kh) if r * sh + i * dh == down and rows.has(down)]
        for r, i in users:
            for j in range(kw):
                factor = weight(i, j)
                for t in range(columns.size):
                    across = t * sw + j * dw
                    if columns.has(across):
                        at = r * columns.size + t
                        sums[at] = sums[at] + factor * pixel(down, across)


class Depthwise(Template[Convolution, DepthwiseTile]):
    name = "depthwise"
    workload = Convolution
    tile = DepthwiseTile
    types = FLOATS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        return None if work.is_depthwise else "not a group for every channel, with one filter each"

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[DepthwiseTile]:
        for rows, pixels in _TILES:
            if rows <= work.out_height and pixels <= work.out_width:
                yield DepthwiseTile(rows, pixels)
        yield DepthwiseTile(1, 1)

    def cost(self, work: Convolution, tile: DepthwiseTile, machine: Machine) -> float:
        """Multiplies, and of every tile the loads: the rows and columns that it sees, weights where registers don't
        hold them, and sums that are put aside, row by row, where there are not registers enough for those.
        """
        (kh, kw), (sh, sw) = work.kernel, work.stride
        sums, rows = tile.rows * tile.pixels, (tile.rows - 1) * sh + work.reach[0]
        seen = rows * ((tile.pixels - 1) * sw + work.reach[1])
        weights = 0 if holds_weights(work, tile, machine.isa) else tile.rows * kh * kw
        aside = 2 * rows * registers_missing(work, tile, machine.isa)
        count = -(-work.out_height // tile.rows) * -(-work.out_width // tile.pixels)
        multiplies = work.out_pixels * kh * kw * max(1, LATENCY * machine.multiplies / sums) / machine.multiplies
        tasks = work.batch * blocks(work.channels, machine.isa.block(work.types.input))
        return tasks * (multiplies + count * ((seen + weights) / 2 + aside))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: DepthwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        name = convolution_name(self.name, work, (tile.rows, tile.pixels), machine.isa)
        function = depthwise(work, tile, machine.isa, machine.threads, name)
        table = pack_grouped_table(rows, 1, lanes, work.types.accumulator)
        return (kernel_of(work, machine, name, function, pack_depthwise(weights, lanes, work.types.weight), table),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.convolution(work, constants, inputs)


DEPTHWISE = Depthwise()
