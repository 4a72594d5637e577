"""Integer convolution of a planar image of few channels, quantised here, and the max pool after it.

1. The rows of the image that a row of the convolution needs are quantised, once each (``image_rows``).
2. For some pixels of the row at a time, each one's window is gathered: its K bytes one behind the other, in blocks of
   sixteen, with anything behind them, which meets weights of zero.
3. Groups of B blocks of sixteen output channels are summed over these columns in tiles of T pixels, as a 1x1
   convolution of K channels, and requantised.
4. With a pool, rows of the convolution go to a ring, as in the stem of floats: their map never exists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Buffer, Expr, Scratch, argument, function, load, scratch, store
from rdpass.kernels.builder.image_rows import ImageRows, pieces
from rdpass.kernels.builder.integer_products import BLOCK, STEP, Walk, pack_steps, products_of
from rdpass.kernels.builder.integer_tile import IntegerTile, Numbers, pack_numbers, short_of
from rdpass.kernels.builder.packing import blocks, dense_numbers
from rdpass.kernels.builder.pool_ring import PoolRing, Position
from rdpass.kernels.builder.quantizer import Quantizer
from rdpass.kernels.cost_model import busiest_share, integer_cycles, space_price
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import INPUT_ZERO, Short
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.templates.stem import block_heights, stem_name
from rdpass.kernels.tile_space import fitting_integers
from rdpass.kernels.workload import Convolution, QuantizedStem
from rdpass.targets.isa import Isa

_CHANNELS = 4
"""Channels of an image at most."""
_LANES = 4
"""Numbers of the image that are quantised in some cycles."""
_COPY = 2
"""Instructions to copy a vector of bytes."""


@dataclass(frozen=True)
class QuantizedStemTile(Tile):
    """The integers to tune: pixels and blocks of outputs of the register tile, pixels gathered at once, rows of a
    thread's block, pixels pooled at once.
    """

    pixels: int = 4
    out: int = 1
    block: int = 16
    rows: int = 14
    pooled: int = 4


def quantized_stem(
    work: QuantizedStem, tile: QuantizedStemTile, isa: Isa, threads: int, name: str, short: Short = Short.NOTHING
) -> tirx.PrimFunc:
    """Arguments: input (N, C, H W), planar; weights (groups, K/16, 256 B), biases and factors (groups 16 B), scalars,
    the image's scale (where it is float32), the map to add (where there is one and it is not the output), output
    (N, F/16, H' W', 16), H' and W' after the pool. ``short``: what is short of its numbers.
    """
    conv, pool, types = work.convolution, work.pooling, work.types
    outer = blocks(conv.filters, BLOCK)
    groups = blocks(outer, tile.out)
    height, width = (conv.out_height, conv.out_width) if pool is None else (pool.out_height, pool.out_width)
    block = height if threads == 1 else min(tile.rows, height)

    def write() -> None:
        x = argument("input", work.source, conv.batch, conv.channels, conv.height * conv.width)
        w = argument("weights", types.weight, groups, blocks(window_bytes(conv), BLOCK), STEP * tile.out)
        numbers = Numbers.arguments(groups * tile.out * BLOCK)
        scale = argument("scale", FLOAT32, 1) if work.source.is_float else None
        other = other_argument(conv.epilogue, types.output, conv.batch, outer, height * width, BLOCK)
        y = argument("output", types.output, conv.batch, outer, height * width, BLOCK)

        def cover(n: Expr, first: Expr, count: int) -> None:
            quantizer = Quantizer(
                isa, types.input, None if scale is None else scale[(0,)], numbers.scalars[(INPUT_ZERO,)]
            )
            successive = pool is None or pool.kernel[0] >= pool.stride[0]
            image = ImageRows(conv, x, work.source, quantizer, successive)
            sums = IntegerTile(isa, types, conv.epilogue, (tile.pixels, tile.out), numbers, other, short)
            row = _Row(conv, tile, image, w, sums)
            if pool is None:
                with serial(count) as step:
                    row.compute(n, first + step, first, y, _in_map(n, bind((first + step) * width)))
                return
            begin = bind(tirx.max(first * pool.stride[0] - pool.padding[0], 0))
            ring = PoolRing(pool, outer, tile.pooled, isa)
            ring.cover(lambda number, place: row.compute(n, number, begin, ring.rows, place), y, n, first, count)

        for begin, number, count in spans(height, block):
            with parallel(conv.batch, number, threads=threads) as (n, index):
                cover(n, bind(begin + index * block), count)

    return function(name, types.input, write)


def window_bytes(conv: Convolution) -> int:
    """K: numbers of a window."""
    return conv.kernel[0] * conv.kernel[1] * conv.channels


def _in_map(n: Expr, first: Expr) -> Position:
    return lambda block, column: (n, block, first + column, 0)


class _Row:
    """Computes rows of the convolution, all output channels of each."""

    def __init__(self, conv: Convolution, tile: QuantizedStemTile, image: ImageRows, w: Buffer, sums: IntegerTile):
        self.conv, self.tile, self.image, self.w, self.sums = conv, tile, image, w, sums
        self.inner = blocks(window_bytes(conv), BLOCK)
        self.block = min(tile.block, conv.out_width)
        # The last window of all may reach beyond its end.
        size = (self.block * self.inner + 1) * BLOCK
        memory = scratch(size)
        self.bytes = memory
        self.windows = Scratch(memory.buffer, memory.base, (self.block, self.inner, BLOCK))

    def compute(self, n: Expr, row: Expr, begin: Expr, out: Buffer, position: Position) -> None:
        """Row ``row`` of image ``n``, to ``position(block of channels, column)`` of ``out``; ``begin``: the first."""
        self.image.enter(n, row, begin)
        for first, number, count in spans(self.conv.out_width, self.block):
            with serial(number) as index:
                column = bind(first + index * count)
                self._gather(row, column, count)
                self._multiply(column, count, out, position)

    def _gather(self, row: Expr, column: Expr, count: int) -> None:
        """The windows of ``count`` pixels; each vector may write over the beginning of the next, which comes after."""
        conv, channels = self.conv, self.conv.channels
        (kh, kw), across = conv.kernel, conv.dilation[1]
        taps = [(0, kw)] if across == 1 else [(tap, 1) for tap in range(kw)]
        lines = [self.image.line(row, i) for i in range(kh)]
        with serial(count) as t:
            source = bind((column + t) * (conv.stride[1] * channels))
            target = bind(t * (self.inner * BLOCK))
            for i, line in enumerate(lines):
                for tap, length in taps:
                    for begin, lanes in pieces(length * channels):
                        value = load(self.image.rows, line + source + (tap * across * channels + begin), lanes=lanes)
                        store(self.bytes, value, target + ((i * kw + tap) * channels + begin), lanes=lanes)

    def _multiply(self, column: Expr, count: int, out: Buffer, position: Position) -> None:
        outer = blocks(self.conv.filters, BLOCK)
        with serial(blocks(outer, self.tile.out)) as group:

            def product(begin: Expr, size: int) -> None:
                walk = Walk(
                    (self.inner,),
                    lambda at, _, t: (self.windows, (begin + t, at[0])),
                    lambda at, _: (self.w, (group, at[0])),
                )
                self.sums.write(size, group, outer, walk, out, lambda t, block: position(block, column + begin + t))

            tiles(count, self.tile.pixels, product)


class QuantizedStemTemplate(Template[QuantizedStem, QuantizedStemTile]):
    name = "quantized_stem"
    workload = QuantizedStem
    tile = QuantizedStemTile
    types = INTEGERS

    def misfit(self, work: QuantizedStem, machine: Machine) -> str | None:
        conv, pool = work.convolution, work.pooling
        if conv.groups > 1 or conv.subpixels > 1 or conv.channels > _CHANNELS:
            return f"groups, subpixels or more than {_CHANNELS} channels"
        if work.source is not FLOAT32 and work.source.bytes > 1:
            return f"an image of {work.source}"
        if pool is not None and (pool.kind != "max" or work.epilogue.add):
            return "a pool behind it that is no max pool, or of a sum of maps"
        if pool is not None and (pool.types.output is not work.types.output or work.types.output.is_float):
            return "a pool of other numbers"
        return None

    def tiles(self, work: QuantizedStem, machine: Machine) -> Iterator[QuantizedStemTile]:
        conv = work.convolution
        for size, out in fitting_integers(conv.out_width, blocks(conv.filters, BLOCK), machine.isa, work.types):
            for block in sorted({min(conv.out_width, count * size) for count in (2, 4, 8)}):
                for rows in block_heights(work, machine):
                    yield QuantizedStemTile(size, out, block, rows)

    def cost(self, work: QuantizedStem, tile: QuantizedStemTile, machine: Machine) -> float:
        conv = work.convolution
        size, inner = (tile.pixels, tile.out), window_bytes(conv)
        row = 0.0
        for _, number, count in spans(conv.out_width, min(tile.block, conv.out_width)):
            row += number * integer_cycles(size, count, inner, conv.filters, work.types, machine)
        copied = conv.out_width * conv.kernel[0] * len(pieces(conv.kernel[1] * conv.channels))
        taken = conv.stride[0] * conv.width * conv.channels / _LANES
        height = (work.pooling or conv).out_height
        share = busiest_share(-(-height // tile.rows) * conv.batch, machine)
        held = tile.block * inner
        return (row + _COPY * copied + taken) * conv.out_height * conv.batch * share + space_price(held, machine)

    def weight_bytes(self, work: QuantizedStem, tile: QuantizedStemTile, machine: Machine) -> int:
        conv = work.convolution
        return dense_numbers(conv.filters, window_bytes(conv), BLOCK, tile.out * BLOCK)

    def build(
        self, work: QuantizedStem, constants: Sequence[Any], tile: QuantizedStemTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        weights, bias, by, scale = constants
        short = short_of(machine.isa, (weights, bias, by), work.types.input)
        name = stem_name(f"{self.name}{short}", work, (tile.pixels, tile.out * BLOCK), machine.isa)
        function = quantized_stem(work, tile, machine.isa, machine.threads, name, short)
        flattened = weights.transpose(0, 2, 3, 1).reshape(len(weights), -1)
        packed = pack_steps(flattened, tile.out, products_of(machine.isa, work.types))
        image = [np.array([scale], FLOAT32)] if work.source.is_float else []
        numbers = pack_numbers(weights, bias, by, 1, tile.out * BLOCK, short)
        return (kernel_of(work, machine, name, function, packed, *numbers, *image),)

    def oracle(self, work: QuantizedStem, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.stem(work, constants, inputs)


QUANTIZED_STEM = QuantizedStemTemplate()
