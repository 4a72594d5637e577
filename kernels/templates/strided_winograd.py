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

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tvm import tirx

from rdpass.kernels.builder.emit import bind, parallel, serial, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, passing
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.stride_phases import STRIDE, phase_of
from rdpass.kernels.builder.toom_cook import transform_weights
from rdpass.kernels.builder.winograd_steps import Tiling, multiply, transform_back, transform_row
from rdpass.kernels.templates.pointwise import other_argument, spans
from rdpass.kernels.workload import Convolution, Epilogue
from rdpass.targets.isa import Isa

_IN_FLIGHT = 8
"""Pixels that bias is written to, or an activation applied to, at a time."""


@dataclass(frozen=True)
class StridedWinogradTile:
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
    def size(self) -> tuple[int, int]:
        """Outputs of a tile, down and across."""
        return self.outputs, self.wide or self.outputs

    @property
    def template(self) -> str:
        """What it is called: strided_winograd4, strided_winograd4x2."""
        down, across = self.size
        return f"strided_winograd{down}" if down == across else f"strided_winograd{down}x{across}"

    @property
    def numbers(self) -> int:
        """Those that a filter is transformed into."""
        down, across = self.size
        return (down + 2) * (across + 2)


def is_strided(conv: Convolution) -> bool:
    """Whether the template computes such a convolution.

    A map that is added behind the activation can't lie where the sums meet.
    """
    meets = not (conv.epilogue.late and conv.epilogue.in_place)
    whole = conv.dilation == (1, 1) and conv.groups == conv.subpixels == 1
    return conv.kernel == (3, 3) and conv.stride == (2, 2) and whole and meets


def strided_winograd(conv: Convolution, tile: StridedWinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, (n + 1) (n' + 1), C/L, L, V L), table (rows, groups V L), the
    map to add (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    assert is_strided(conv)
    lanes = isa.lanes
    inner, outer = blocks(conv.channels, lanes), blocks(conv.filters, lanes)
    groups = blocks(outer, tile.vectors)
    assert groups % tile.waiting == 0
    assert inner % tile.slices == 0
    pixels, rows = conv.out_height * conv.out_width, min(tile.rows * tile.size[0], conv.out_height)

    def write() -> None:
        x = argument("input", conv.batch, inner, conv.height * conv.width, lanes)
        u = argument("weights", groups, tile.numbers, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv, outer, pixels, lanes)
        y = argument("output", conv.batch, outer, pixels, lanes)
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

    return function(name, write)


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
    """Those of a tile, one way: the odd phase has one tap, which takes them one by one."""
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
        writer = EpilogueWriter(replace(conv.epilogue, activation="none", add=added), self.isa, self.table, self.other)
        self._each(conv, n, top, count, lambda channel, at: writer.put(writer.bias(channel), [], self.y, at))

    def add(self, tiling: Tiling, n: Expr, top: Expr, first: int) -> None:
        """A phase; ``first``: of its numbers."""
        onto = EpilogueWriter(Epilogue(add=True, in_place=True), self.isa, self.table)
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
        writer = EpilogueWriter(replace(conv.epilogue, add=conv.epilogue.late), self.isa, self.table, self.other)

        def activate(channel: Expr, at: tuple[Expr, ...]) -> None:
            writer.put(load(self.y, *at, lanes=self.isa.lanes), writer.rows(channel), self.y, at)

        if conv.epilogue.activation != "none" or conv.epilogue.late:
            self._each(conv, n, top, count, activate)

    def _each(
        self, conv: Convolution, n: Expr, top: Expr, count: int, put: Callable[[Expr, tuple[Expr, ...]], None]
    ) -> None:
        """``put`` every vector of ``count`` rows, given its block of channels and its index."""
        with parallel(blocks(conv.filters, self.isa.lanes), threads=self.threads) as (channel,):
            begin = bind(top * conv.out_width)

            def some(first: Expr, size: int) -> None:
                for t in range(size):
                    put(channel, (n, channel, begin + first + t, 0))

            tiles(count * conv.out_width, _IN_FLIGHT, some)


def transform_strided(weights: npt.NDArray[np.float32], outputs: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(O, I, 3, 3) to ((n + 1) (n' + 1), O, I), phase by phase."""
    numbers = []
    for i, j in np.ndindex(STRIDE, STRIDE):
        size = _outputs(outputs[0], i), _outputs(outputs[1], j)
        transformed = transform_weights(weights[:, :, i::STRIDE, j::STRIDE], size)
        numbers.append(transformed.reshape(-1, *weights.shape[:2]))
    return np.concatenate(numbers)
