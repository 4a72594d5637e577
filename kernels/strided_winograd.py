"""f32 3x3 convolution of stride 2 by Winograd's F(m, 2), m = 2, 3 or 4 down and across, on blocked channels.

Rows and columns of even and of odd number are taken apart. Each way the even ones meet two taps, the odd ones one, both
with stride 1. So the convolution is the sum of four, one for each phase, of 2 x 2, 2 x 1, 1 x 2 and 1 x 1 taps:
1. F(m, 2) saves products where there are two taps: n = m + 1 for m outputs. One tap needs one product an output. Both
   ways together that is ((2 m + 1) / 3 m)^2 of direct's products: 0.69 for m = 2, 0.60 for 3, 0.56 for 4.
2. One tap's weight is the same for every output. So there are (n + 1)^2 numbers for the 9 of a filter.
3. Block by block of rows, the phases are computed one after the other, by the steps of ``winograd_steps``, and so are
   parts of their input channels. The sums meet in the output, the last adds bias and activation. So V and M need to
   hold one part of one phase only.

V is shared by all threads, M is each thread's own. Rounding is about that of a direct convolution.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from tvm import tirx

from rdpass.kernels.emit import Expr, argument, bind, function, parallel, passing, serial
from rdpass.kernels.finish import Finish
from rdpass.kernels.isa import Isa
from rdpass.kernels.pointwise import other_argument, spans
from rdpass.kernels.strip import Grid
from rdpass.kernels.toom_cook import transform_weights
from rdpass.kernels.winograd_steps import Tiling, multiply, transform_back, transform_row
from rdpass.kernels.workload import Convolution, Epilogue

_STRIDE = 2


@dataclass(frozen=True)
class StridedWinogradTile:
    """The integers to tune: outputs m down a tile; tiles and vectors of the register tile, at most; rows of tiles in a
    block; output groups whose products wait in M; parts of the input channels; outputs across a tile, 0 for as many as
    down it.
    """

    outputs: int = 4
    pixels: int = 5
    vectors: int = 4
    rows: int = 4
    waiting: int = 1
    parts: int = 1
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
    """Whether the template computes such a convolution."""
    return conv.kernel == (3, 3) and conv.stride == (2, 2) and conv.dilation == (1, 1) and conv.groups == 1


def phases(conv: Convolution, tile: StridedWinogradTile, isa: Isa, height: int) -> Iterator[Tiling]:
    """Even rows and columns, even and odd, odd and even, odd: ``height`` rows of output in tiles."""
    for parity in np.ndindex(_STRIDE, _STRIDE):
        down, across = (_axis(conv, way, parity[way]) for way in range(2))
        size = _outputs(tile.size[0], parity[0]), _outputs(tile.size[1], parity[1])
        alone = replace(
            conv,
            height=down.extent, width=across.extent, kernel=(down.taps, across.taps), stride=(1, 1),
            padding=(down.before, across.before, down.behind, across.behind),
        )  # fmt: skip
        grid = Grid((_STRIDE, _STRIDE), (down.first, across.first), conv.width)
        tiling = Tiling(
            alone, isa, size, -(-height // size[0]), tile.pixels, tile.vectors, tile.waiting, tile.parts, grid
        )
        # Register tiles of equal size, so that the last is no small one.
        yield replace(tiling, pixels=-(-tiling.held // tiling.columns))


def _outputs(outputs: int, parity: int) -> int:
    """Those of a tile, one way: one tap takes them one by one."""
    return outputs if parity == 0 else 1


@dataclass(frozen=True)
class _Axis:
    """One way of a phase: extent of its input, the first of it in the whole's, taps, padding before and behind."""

    extent: int
    first: int
    taps: int
    before: int
    behind: int


def _axis(conv: Convolution, way: int, parity: int) -> _Axis:
    """Inputs that taps of such a parity meet: those at ``2 i + parity - padding``, i from 0 on."""
    extent, out = ((conv.height, conv.out_height), (conv.width, conv.out_width))[way]
    padding, taps = conv.padding[way], (conv.kernel[way] - parity + 1) // _STRIDE
    before = max(0, -(-(padding - parity) // _STRIDE))
    first = before * _STRIDE + parity - padding
    inside = max(0, -(-(extent - first) // _STRIDE))
    return _Axis(inside, first, taps, before, out + taps - 1 - before - inside)


def strided_winograd(conv: Convolution, tile: StridedWinogradTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), weights (groups, (n + 1) (n' + 1), C/L, L, V L), table (rows, groups V L), the
    map to add (where there is one and it is not the output), output (N, F/L, H' W', L).
    """
    assert is_strided(conv)
    any_phase = next(phases(conv, tile, isa, 1))
    lanes, inner, outer, groups = isa.lanes, any_phase.inner, any_phase.outer, any_phase.groups
    assert groups % tile.waiting == 0
    assert inner % tile.parts == 0
    pixels, rows = conv.out_height * conv.out_width, min(tile.rows * tile.size[0], conv.out_height)

    def write() -> None:
        x = argument("input", conv.batch, inner, conv.height * conv.width, lanes)
        u = argument("weights", groups, tile.numbers, inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv, outer, pixels, lanes)
        y = argument("output", conv.batch, outer, pixels, lanes)
        begins = Finish(replace(conv.epilogue, activation="none"), isa, table, other)
        goes_on = Finish(Epilogue(add=True, in_place=True), isa, table)
        ends = Finish(replace(conv.epilogue, add=True, in_place=True), isa, table)

        def add(phase: Tiling, finish: Finish, first: int, n: Expr, top: Expr, share: Expr) -> None:
            """Add what a part of the channels of a phase gives; ``first``: of its numbers."""
            v = phase.allocate_inputs()
            with parallel(phase.rows, phase.own, threads=threads) as (row, channel):
                transform_row(phase, x, v, n, channel, top, row, share)
            with parallel(groups // tile.waiting, threads=threads) as (turns,):
                m = phase.allocate_products()
                multiply(phase, u, v, m, turns, first, share)
                transform_back(phase, finish, m, y, n, turns, top, biased=finish is ends)

        for begin, number, count in spans(conv.out_height, rows):
            with serial(conv.batch) as n, serial(number) as block:
                top, first = bind(begin + block * count), 0
                for index, phase in enumerate(phases(conv, tile, isa, count)):
                    apart = (1, 0) if index == 0 else (0, 1) if index == _STRIDE**2 - 1 else (0, 0)
                    for finish, share, shares in _runs(tile.parts, (begins, goes_on, ends), *apart):
                        with passing(), serial(shares) as other_share:
                            add(phase, finish, first, n, top, share + other_share)
                    first += phase.numbers

    return function(name, write)


def _runs(
    parts: int, finishes: tuple[Finish, Finish, Finish], begins: int, ends: int
) -> Iterator[tuple[Finish, int, int]]:
    """(finish, first part, number of parts): those that begin, go on and end."""
    for finish, first, number in zip(
        finishes, (0, begins, parts - ends), (begins, parts - begins - ends, ends), strict=True
    ):
        if number:
            yield finish, first, number


def transform_strided(weights: npt.NDArray[np.float32], outputs: tuple[int, int]) -> npt.NDArray[np.float32]:
    """(O, I, 3, 3) to ((n + 1) (n' + 1), O, I), phase by phase."""
    numbers = []
    for i, j in np.ndindex(_STRIDE, _STRIDE):
        size = _outputs(outputs[0], i), _outputs(outputs[1], j)
        transformed = transform_weights(weights[:, :, i::_STRIDE, j::_STRIDE], size)
        numbers.append(transformed.reshape(-1, *weights.shape[:2]))
    return np.concatenate(numbers)
