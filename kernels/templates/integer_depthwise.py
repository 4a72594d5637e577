"""Integer depthwise k x k convolution: bytes times bytes, each channel by itself; any stride and dilation.

1. Every block of sixteen channels is a task of its own; where these are too few for all threads, bands of its rows.
2. Its map is cut into tiles of R rows x T pixels. Of a tile at the border it is known, as the code is written, which
   pixels lie outside (``borders``); the input's zero stands there. Nothing is copied.
3. A tile is summed in registers (``depthwise_products``). Where registers hold all weights, its pixels are finished one
   after another, a few side by side; otherwise the sums of all its pixels wait in registers for each step's weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import INT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.borders import Axis, AxisTile, each_tile, tile_count
from rdpass.kernels.builder.depthwise_products import DepthwiseProducts, Step, Weight, depthwise_products
from rdpass.kernels.builder.emit import Registers, bind, parallel, serial
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.integer_tile import Numbers, pack_numbers, short_of
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.requantization import Requantizer
from rdpass.kernels.cost_model import busiest_share
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.quantization import Short
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa

_TILES = ((2, 4), (1, 4), (2, 2), (1, 8), (2, 3), (1, 3), (2, 8), (4, 2), (1, 7), (2, 7))
"""Rows and pixels of the tiles that are tried."""
_LOAD = 0.5
"""What a load costs beside the vector instructions."""
_EPILOGUE = 24
"""Instructions from the sums of a block to its bytes."""
_SUMS = 8
"""Vectors of sums that are computed side by side where registers hold all weights: a core that starts instructions in
order has something to do while one waits for another."""
_EVEN = 1.05
"""How much more than its share the busiest thread may have before blocks are cut into bands."""


@dataclass(frozen=True)
class IntegerDepthwiseTile(Tile):
    """The integers to tune: rows and pixels of the register tile."""

    rows: int = 2
    pixels: int = 4


def integer_depthwise(
    conv: Convolution, tile: IntegerDepthwiseTile, isa: Isa, threads: int, name: str, short: Short = Short.NOTHING
) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), weights (C/16, parts, steps, bytes), biases and factors (C), scalars, the
    map to add (where there is one and it is not the output), output (N, C/16, H' W', 16). ``short``: what is short
    of its numbers.
    """
    assert conv.is_depthwise
    count, types = blocks(conv.channels, BLOCK), conv.types
    products = depthwise_products(conv, tile.rows, isa)
    parts, pixels = BLOCK // products.channels, conv.out_height * conv.out_width
    down, across = axes(conv)
    turns = tile_count(down, tile.rows)
    bands = bands_of(conv.batch * count, turns, threads)

    def write() -> None:
        x = argument("input", types.input, conv.batch, count, conv.height * conv.width, BLOCK)
        w = argument("weights", types.weight, count, parts, len(products.taps), products.step_bytes)
        numbers = Numbers.arguments(count * BLOCK)
        other = other_argument(conv.epilogue, types.output, conv.batch, count, pixels, BLOCK)
        y = argument("output", types.output, conv.batch, count, pixels, BLOCK)
        width = products.channels
        writer = Requantizer(conv.epilogue, isa, types, numbers.factors, numbers.scalars, other, width, short)

        def row(n: Expr, block: Expr, rows: AxisTile) -> None:
            with serial(parts) as part:
                task = _Task(conv, products, (x, w, y), numbers, writer, (n, block, part))
                each_tile(across, tile.pixels, lambda columns: task.write(rows, columns))

        with parallel(conv.batch, count, bands, threads=threads) as (n, block, band):
            each = -(-turns // bands)
            begin = bind(band * each)
            some = None if bands == 1 else (begin, bind(tirx.min(begin + each, turns)))
            each_tile(down, tile.rows, lambda rows: row(n, block, rows), some)

    return function(name, types.input, write)


def axes(conv: Convolution) -> tuple[Axis, Axis]:
    """Down and across the map."""
    top, left = conv.padding[:2]
    return (
        Axis(conv.height, conv.out_height, conv.stride[0], top, conv.reach[0]),
        Axis(conv.width, conv.out_width, conv.stride[1], left, conv.reach[1]),
    )


def bands_of(blocks: int, turns: int, threads: int) -> int:
    """Bands that each block's ``turns`` rows of tiles are cut into: the fewest that share the work evenly."""

    def unevenness(bands: int) -> float:
        tasks = blocks * bands
        return -(-tasks // threads) * threads * -(-turns // bands) / (blocks * turns)

    return min(range(1, turns + 1), key=lambda bands: (max(unevenness(bands), _EVEN), bands))


class _Task:
    """Channels of a block that are computed together, at ``of``: image, block, part of the block."""

    def __init__(
        self, conv: Convolution, products: DepthwiseProducts, buffers: tuple[Buffer, Buffer, Buffer], numbers: Numbers,
        writer: Requantizer, of: tuple[Expr, Expr, Expr],
    ) -> None:  # fmt: skip
        self.conv, self.products, self.numbers, self.writer = conv, products, numbers, writer
        (self.x, self.w, self.y), (self.n, self.block, self.part) = buffers, of
        self.lane = self.part * products.channels
        self.place = bind(self.block * (BLOCK // products.channels) + self.part)
        self.held = products.holds_weights()
        self.rows = writer.rows(self.place)
        self.weight: Weight = self._load_weight
        if self.held:
            every = [self._load_weight(number) for number in range(len(products.taps))]
            self.weight = every.__getitem__

    def write(self, rows: AxisTile, columns: AxisTile) -> None:
        """Sum and store a tile, or a part of it after the other."""
        pixels = [(r, t) for t in range(columns.size) for r in range(rows.size)]
        together = max(1, _SUMS // self.products.vectors) if self.held else len(pixels)
        sums = Registers(self.products.vectors * together, self.writer.isa.vector(INT32))
        pixel = self._pixels(rows, columns)
        at = bind(rows.first * self.conv.out_width + columns.first)
        for some in (pixels[first : first + together] for first in range(0, len(pixels), together)):
            self._sum(sums, some, pixel)
            with self.writer.together():
                for index, (r, t) in enumerate(some):
                    place = self.n, self.block, at + r * self.conv.out_width + t, self.lane
                    self.writer.put(self._read(sums, index), self.rows, self.y, place)

    def _sum(self, sums: Registers, pixels: list[tuple[int, int]], pixel: Callable[..., tuple[Expr, ...]]) -> None:
        """Sum some pixels of a tile: one after another or, where weights are loaded for each step, step by step."""
        for index in range(len(pixels)):
            self._start(sums, index)
        work = [
            (number, index, step, t)
            for index, (r, t) in enumerate(pixels)
            for number, step in enumerate(self.products.steps(r))
        ]
        for _, index, step, t in work if self.held else sorted(work, key=lambda item: item[:2]):
            self._add(sums, index, step, t, pixel)

    def _add(self, sums: Registers, index: int, step: Step, t: int, pixel: Callable[..., tuple[Expr, ...]]) -> None:
        first = t * self.conv.stride[1]
        seen = pixel(tuple((down, first + across) for down, across in step.places))
        added = self.products.add(self._read(sums, index), seen, self.weight(step.number))
        for v, value in enumerate(added):
            sums[index * self.products.vectors + v] = value

    def _start(self, sums: Registers, index: int) -> None:
        lanes = self.products.lanes
        for v in range(self.products.vectors):
            first = self.place * self.products.channels + v * lanes
            sums[index * self.products.vectors + v] = load(self.numbers.bias, first, lanes=lanes)

    def _read(self, sums: Registers, index: int) -> list[Expr]:
        return [sums[index * self.products.vectors + v] for v in range(self.products.vectors)]

    def _load_weight(self, number: int) -> list[Expr]:
        def some(first: int, lanes: int) -> Expr:
            return bind(load(self.w, self.block, self.part, number, first, lanes=lanes))

        return [bind(vector) for vector in self.products.split(some)]

    def _pixels(self, rows: AxisTile, columns: AxisTile) -> Callable[..., tuple[Expr, ...]]:
        """What a step takes of the tile's input, by its places: loaded and arranged where it is first asked for."""
        width = self.products.channels
        border = self.numbers.border(self.conv.types.input, width)

        @cache
        def row(offset: int) -> Expr:
            return bind(rows.input(offset) * self.conv.width)

        @cache
        def pixel(down: int, across: int) -> Expr:
            if not (rows.has(down) and columns.has(across)):
                return border
            return bind(load(self.x, self.n, self.block, row(down) + columns.input(across), self.lane, lanes=width))

        @cache
        def gathered(places: tuple[tuple[int, int], ...]) -> tuple[Expr, ...]:
            return self.products.gather([pixel(*place) for place in places])

        return gathered


class IntegerDepthwise(Template[Convolution, IntegerDepthwiseTile]):
    name = "integer_depthwise"
    workload = Convolution
    tile = IntegerDepthwiseTile
    types = INTEGERS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        if not work.is_depthwise or work.subpixels > 1:
            return "not a group for every channel, with one filter and one pixel each"
        return None

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[IntegerDepthwiseTile]:
        for rows, pixels in _TILES:
            if rows <= work.out_height and pixels <= work.out_width:
                yield IntegerDepthwiseTile(rows, pixels)
        yield IntegerDepthwiseTile(1, 1)

    def cost(self, work: Convolution, tile: IntegerDepthwiseTile, machine: Machine) -> float:
        """Instructions of a tile: loads, gathering, products, and the epilogue."""
        products = depthwise_products(work, tile.rows, machine.isa)
        steps = [(r, step) for r in range(tile.rows) for step in products.steps(r)]
        first = [t * work.stride[1] for t in range(tile.pixels)]
        seen = {tuple((down, t + across) for down, across in step.places) for _, step in steps for t in first}
        loads = len({place for places in seen for place in places})
        if not products.holds_weights():
            loads += len({step.number for _, step in steps}) * products.depth
        vectors = len(steps) * tile.pixels * products.step_instructions + len(seen) * products.gather_instructions
        aside = products.missing(_SUMS if products.holds_weights() else products.vectors * tile.rows * tile.pixels)
        each = (vectors + loads * _LOAD + 2 * aside * max(tile.pixels, len(products.taps))) * (
            BLOCK // products.channels
        )
        down, across = (tile_count(axis, wide) for axis, wide in zip(axes(work), (tile.rows, tile.pixels), strict=True))
        tasks = work.batch * blocks(work.channels, BLOCK)
        whole = down * across * (each + tile.rows * tile.pixels * _EPILOGUE)
        bands = bands_of(tasks, down, machine.threads)
        return tasks * whole * busiest_share(tasks * bands, machine) / machine.multiplies

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: IntegerDepthwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        weights, bias, by = constants
        products = depthwise_products(work, tile.rows, machine.isa)
        short = short_of(machine.isa, constants, work.types.input)
        name = convolution_name(f"depthwise{short}", work, (tile.rows, tile.pixels), machine.isa)
        function = integer_depthwise(work, tile, machine.isa, machine.threads, name, short)
        numbers = pack_numbers(weights, bias, by, 1, BLOCK, short)
        return (kernel_of(work, machine, name, function, products.pack(weights), *numbers),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.convolution(work, constants, inputs)


INTEGER_DEPTHWISE = IntegerDepthwise()
