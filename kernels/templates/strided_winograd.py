"""f32 3x3 convolution of stride 2 by Winograd's F(m, 2), m = 2, 3 or 4 down and across, on blocked channels.

Rows and columns of even and of odd number are taken apart. Each way the even ones meet two taps, the odd ones one, both
with stride 1. So the convolution is the sum of four, one for each phase, of 2 x 2, 2 x 1, 1 x 2 and 1 x 1 taps:
1. F(m, 2) saves products where there are two taps: n = m + 1 for m outputs. One tap needs one product an output. Both
   ways together that is ((2 m + 1) / 3 m)^2 of direct's products: 0.69 for m = 2, 0.60 for 3, 0.56 for 4.
2. One tap's weight is the same for every output. So there are (n + 1)^2 numbers for the 9 of a filter.
3. Block by block of rows, the phases are computed one after the other, by the steps of ``winograd_steps``, and so are
   slices of their input channels. Their sums meet in the output, which begins with the bias, and the map to add; at the
   end comes the activation. So V and M need to hold one slice of one phase only.

V is shared by all threads, M is each thread's own. Rounding is about that of a direct convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

import numpy as np
from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import bind, parallel, serial, spans, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, passing
from rdpass.kernels.builder.packing import blocks, dense_numbers, pack_grouped_table, pack_numbers
from rdpass.kernels.builder.stride_phases import STRIDE, phase_of
from rdpass.kernels.builder.toom_cook import transform_weights
from rdpass.kernels.builder.winograd_steps import OutputTile, Tiling, multiply, transform_back, transform_row
from rdpass.kernels.cost_model import (
    HOLDS,
    PASSING,
    REREAD,
    busiest_share,
    map_bytes,
    product_cycles,
    space_price,
    traffic_cycles,
)
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import convolution_name
from rdpass.kernels.template import FLOATS, Kernel, Template, kernel_of
from rdpass.kernels.tile_space import fitting_products, rows_of_tiles, waiting_groups
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import Isa

_IN_FLIGHT = 8
"""Pixels that bias is written to, or an activation applied to, at a time."""

# Vector operations to transform one channel block one way, of F(m, 2) by its n = m + 1 numbers, and of one tap; without
# loads and stores.
_ONE_WAY_IN = {1: 0, 3: 3, 4: 4, 5: 11}
_ONE_WAY_OUT = {1: 0, 3: 3, 4: 4, 5: 9}
# Maps of so many bytes are what the peak of a network is made of. This share of them may be scratch; a byte more has
# its price in cycles.
_LARGE, _SHARE, _RAISES = 3 << 19, 18, 32


@dataclass(frozen=True)
class StridedWinogradTile(OutputTile):
    """The integers to tune: outputs m down a tile; tiles and vectors of the register tile, at most; rows of tiles in a
    block; output groups whose products wait in M; slices of the input channels; outputs across a tile, 0 for as many as
    down it.
    """

    outputs: int = 4
    pixels: int = 5
    vectors: int = 4
    rows: int = 4
    waiting: int = 1
    slices: int = 1
    wide: int = 0

    @property
    def numbers(self) -> int:
        """Numbers that a filter is transformed into."""
        down, across = self.size
        return (down + 2) * (across + 2)


def strided_winograd(conv: Convolution, tile: StridedWinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, (n + 1) (n' + 1), C/L, L, V L), table (rows, groups V L), the
    map to add (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    assert conv.kernel == (3, 3)
    assert conv.stride == (2, 2)
    assert conv.dilation == (1, 1)
    assert conv.groups == conv.subpixels == 1
    lanes = isa.block(conv.types.input)
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.waiting == 0
    assert inner % tile.slices == 0
    pixels, rows = conv.out_height * conv.out_width, min(tile.rows * tile.size[0], conv.out_height)

    def write() -> None:
        x = argument("input", conv.types.input, conv.batch, inner, conv.height * conv.width, lanes)
        u = argument("weights", conv.types.weight, groups, tile.numbers, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.types.accumulator, conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv.epilogue, conv.types.output, conv.batch, outer, pixels, lanes)
        y = argument("output", conv.types.output, conv.batch, outer, pixels, lanes)
        sums = _Sums(x, u, y, other, isa, table, threads)
        for begin, number, count in spans(conv.out_height, rows):
            with serial(conv.batch) as n, serial(number) as block:
                top = bind(begin + block * count)
                sums.begin(conv, n, top, count)
                first = 0
                for tiling in _tilings(conv, tile, isa, count):
                    sums.add(tiling, n, top, first)
                    first += tiling.numbers
                sums.end(conv, n, top, count)

    return function(name, conv.types.accumulator, write)


def _tilings(conv: Convolution, tile: StridedWinogradTile, isa: Isa, height: int) -> Iterator[Tiling]:
    """``height`` rows of output in tiles, phase by phase."""
    for down, across in np.ndindex(STRIDE, STRIDE):
        alone, grid = phase_of(conv, (down, across))
        size = _outputs(tile.size[0], down), _outputs(tile.size[1], across)
        rows = -(-height // size[0])
        tiling = Tiling(alone, isa, size, rows, tile.pixels, tile.vectors, tile.waiting, tile.slices, grid)
        # Register tiles of equal size, so that the last is no small one.
        yield replace(tiling, pixels=-(-tiling.held // tiling.columns))


def _outputs(outputs: int, parity: int) -> int:
    """Outputs of a tile, one way: the odd phase has one tap, which takes them one by one."""
    return outputs if parity == 0 else 1


class _Sums:
    """Writes the output of a block of rows: what it begins with, what a phase adds to it, and how it ends."""

    def __init__(
        self, x: Buffer, u: Buffer, y: Buffer, other: Buffer | None, isa: Isa, table: Buffer, threads: int
    ) -> None:
        self.x, self.u, self.y, self.other, self.isa, self.table, self.threads = x, u, y, other, isa, table, threads

    def begin(self, conv: Convolution, n: Expr, top: Expr, count: int) -> None:
        """The bias, and the map that is added before the activation."""
        added = conv.epilogue.add and not conv.epilogue.late
        writer = EpilogueWriter(
            replace(conv.epilogue, activation="none", add=added),
            self.isa,
            conv.types.accumulator,
            self.table,
            self.other,
        )
        self._each(conv, n, top, count, lambda channel, at: writer.put(writer.bias(channel), [], self.y, at))

    def add(self, tiling: Tiling, n: Expr, top: Expr, first: int) -> None:
        """A phase; ``first``: of its numbers."""
        onto = EpilogueWriter(Epilogue(add=True, in_place=True), self.isa, tiling.conv.types.accumulator, self.table)
        with passing(), serial(tiling.slices) as slice_:
            v = tiling.allocate_inputs()
            with parallel(tiling.rows, tiling.own, threads=self.threads) as (row, channel):
                transform_row(tiling, self.x, v, n, channel, top, row, slice_)
            with parallel(tiling.groups // tiling.waiting, threads=self.threads) as (turns,):
                m = tiling.allocate_products()
                multiply(tiling, self.u, v, m, turns, first, slice_)
                transform_back(tiling, onto, m, self.y, n, turns, top, biased=False)

    def end(self, conv: Convolution, n: Expr, top: Expr, count: int) -> None:
        """The activation, and the map that is added behind it."""
        writer = EpilogueWriter(
            replace(conv.epilogue, add=conv.epilogue.late), self.isa, conv.types.accumulator, self.table, self.other
        )

        def activate(channel: Expr, at: tuple[Expr, ...]) -> None:
            writer.put(load(self.y, *at, lanes=self.isa.block(conv.types.output)), writer.rows(channel), self.y, at)

        if conv.epilogue.activation != "none" or conv.epilogue.late:
            self._each(conv, n, top, count, activate)

    def _each(
        self, conv: Convolution, n: Expr, top: Expr, count: int, put: Callable[[Expr, tuple[Expr, ...]], None]
    ) -> None:
        """``put`` every vector of ``count`` rows, given its block of channels and its index."""
        with parallel(blocks(conv.filters, self.isa.block(conv.types.output)), threads=self.threads) as (channel,):
            begin = bind(top * conv.out_width)

            def some(first: Expr, size: int) -> None:
                for t in range(size):
                    put(channel, (n, channel, begin + first + t, 0))

            tiles(count * conv.out_width, _IN_FLIGHT, some)


def transform_strided(weights: Array, outputs: tuple[int, int]) -> Array:
    """(O, I, 3, 3) to ((n + 1) (n' + 1), O, I), phase by phase."""
    numbers = []
    for i, j in np.ndindex(STRIDE, STRIDE):
        size = _outputs(outputs[0], i), _outputs(outputs[1], j)
        transformed = transform_weights(weights[:, :, i::STRIDE, j::STRIDE], size)
        numbers.append(transformed.reshape(-1, *weights.shape[:2]))
    return np.concatenate(numbers)


class StridedWinograd(Template[Convolution, StridedWinogradTile]):
    name = "strided_winograd"
    workload = Convolution
    tile = StridedWinogradTile
    types = FLOATS

    def misfit(self, work: Convolution, machine: Machine) -> str | None:
        whole = work.dilation == (1, 1) and work.groups == work.subpixels == 1
        if work.kernel != (3, 3) or work.stride != (2, 2) or not whole:
            return "not a 3x3 window of stride 2 without dilation and groups"
        if work.epilogue.late and work.epilogue.in_place:
            return "a map that is added behind the activation can't lie where the sums meet"
        return None

    def tiles(self, work: Convolution, machine: Machine) -> Iterator[StridedWinogradTile]:
        inner, outer = (
            blocks(channels, machine.isa.block(work.types.input)) for channels in (work.channels, work.filters)
        )
        for outputs in (4, 3, 2):
            down = -(-work.out_height // outputs)
            for size, vectors in fitting_products(work.out_height * work.out_width, outer, machine.isa):
                held = rows_of_tiles(down), waiting_groups((1, 2), blocks(outer, vectors), machine)
                for rows, waiting, slices in combinations(*held, (1, 2, 4)):
                    if inner % slices == 0:
                        yield StridedWinogradTile(outputs, size, vectors, rows, waiting, slices)

    def cost(self, work: Convolution, tile: StridedWinogradTile, machine: Machine) -> float:
        groups = blocks(blocks(work.filters, machine.isa.block(work.types.input)), tile.vectors)
        runs = spans(work.out_height, min(tile.rows * tile.size[0], work.out_height))
        steps = [
            (number * work.batch, _phase_cost(work, tile, height, both, machine))
            for _, number, height in runs
            for both in ((True, True), (True, False), (False, True), (False, False))
        ]
        cycles = sum(count * step.cycles for count, step in steps)
        passes = work.batch * sum(number for _, number, _ in runs)
        weights = work.types.weight.size((tile.numbers, work.channels, work.filters))
        room = max(step.scratch for _, step in steps)
        stays = weights + room <= HOLDS * machine.l2
        # Two phases share each line of the input, and all four add to the output: by then it is gone, as are weights.
        again = (
            0 if stays else map_bytes(work) + 2 * work.types.output.size((work.batch, work.filters, work.out_pixels))
        )
        moved = map_bytes(work) + again + sum(count * step.spilt for count, step in steps)
        traffic = traffic_cycles(weights, passes, room, moved, machine)
        beyond = max(0, room * machine.threads - map_bytes(work) // _SHARE) if map_bytes(work) > _LARGE else 0
        return (
            cycles * busiest_share(groups // tile.waiting, machine)
            + traffic
            + (space_price(room, machine) + _RAISES * beyond)
        )

    def weight_bytes(self, work: Convolution, tile: StridedWinogradTile, machine: Machine) -> int:
        lanes = machine.isa.block(work.types.input)
        one = dense_numbers(work.filters, work.channels, lanes, tile.vectors * lanes)
        return work.types.weight.size((tile.numbers, one))

    def build(
        self, work: Convolution, constants: Sequence[Any], tile: StridedWinogradTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (weights, rows), lanes = constants, machine.isa.block(work.types.input)
        width = tile.vectors * lanes
        name = convolution_name(self.label(tile), work, (tile.pixels, tile.vectors), machine.isa)
        function = strided_winograd(work, tile, machine.isa, machine.threads, name)
        packed = pack_numbers(transform_strided(weights, tile.size), lanes, width, work.types.weight)
        table = pack_grouped_table(rows, 1, width, work.types.accumulator)
        return (kernel_of(work, machine, name, function, packed, table),)

    def oracle(self, work: Convolution, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.convolution(work, constants, inputs)

    def label(self, tile: StridedWinogradTile) -> str:
        """strided_winograd4, strided_winograd4x2."""
        return self.name + tile.outputs_label


@dataclass(frozen=True)
class _PhaseCost:
    """The cost of a phase of a block: cycles of one thread, bytes of V and M, and of what comes back from memory."""

    cycles: float
    scratch: int
    spilt: int


def _phase_cost(
    conv: Convolution, tile: StridedWinogradTile, height: int, both: tuple[bool, bool], machine: Machine
) -> _PhaseCost:
    """``height``: rows of output in the block; ``both``: whether there are two taps, down and across."""
    lanes = machine.isa.block(conv.types.input)
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    types = conv.types
    m, w = (size if two else 1 for size, two in zip(tile.size, both, strict=True))
    n, e = (size + 1 if two else 1 for size, two in zip(tile.size, both, strict=True))
    held = -(-height // m) * -(-conv.out_width // w)
    columns = blocks(held, tile.pixels)
    pixels = blocks(held, columns)
    v = types.input.size((columns, pixels, n, e, inner)) // tile.slices * lanes
    width = tile.waiting * tile.vectors * lanes
    waiting, out = types.accumulator.size((held, n, e, width)), types.output.size((held, m, w, width))
    # V is read again by every batch of waiting groups; where it does not fit L2, from memory.
    again = v * (groups // tile.waiting)
    weights = types.weight.size((n, e, conv.channels)) // tile.slices * conv.filters * tile.waiting // groups
    spilt = again + v if v + waiting + out + weights > PASSING * machine.l2 else 0
    # Every second row of the input passes through the cache while V is written.
    seen = types.input.size((height, conv.width, inner)) // tile.slices * lanes
    spilt += v if v + seen > PASSING * machine.l2 else 0
    # Rows are copied, a tile's inputs are loaded, its numbers stored; its sums stored and loaded, its outputs added.
    way_in = 2 * n * e + 2 * m * w + _ONE_WAY_IN[n] * e + _ONE_WAY_IN[e] * n
    way_out = 2 * n * e + 3 * m * w + _ONE_WAY_OUT[n] * e + _ONE_WAY_OUT[e] * m
    transforms = held * (inner * way_in + outer * tile.slices * way_out)
    products = product_cycles((pixels, tile.vectors), held, conv.channels, conv.filters, conv.types, machine) * n * e
    cycles = products + transforms / machine.multiplies + tile.slices * again / REREAD
    return _PhaseCost(cycles, v // machine.threads + waiting, tile.slices * spilt)


STRIDED_WINOGRAD = StridedWinograd()
