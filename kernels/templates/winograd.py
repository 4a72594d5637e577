"""f32 3x3 convolution of stride 1 by Winograd's F(m, 3), m = 2 or 4 down and across, on blocked channels.

Block by block of rows of tiles the steps of ``winograd_steps`` are taken. The second is where the time goes: it takes
2.25 (tiles of 2 x 2 outputs), 3 (4 x 2) or 4 times (4 x 4) fewer products than direct.

V is shared by all threads, M is each thread's own. Rounding is larger than a direct convolution's: see ``toom_cook``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tvm import tirx

from rdpass.kernels.builder.emit import bind, parallel, serial
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import argument, function
from rdpass.kernels.builder.winograd_steps import Tiling, multiply, transform_back, transform_row
from rdpass.kernels.templates.pointwise import other_argument, spans
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class WinogradTile:
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
    def size(self) -> tuple[int, int]:
        """Outputs of a tile, down and across."""
        return self.outputs, self.wide or self.outputs

    @property
    def template(self) -> str:
        """What it is called: winograd4, winograd4x2."""
        down, across = self.size
        return f"winograd{down}" if down == across else f"winograd{down}x{across}"

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
    lanes, groups = isa.lanes, tiling.groups
    assert conv.kernel == (3, 3)
    assert conv.stride == conv.dilation == (1, 1)
    assert conv.groups == 1
    assert groups % tile.waiting == 0
    pixels, down = conv.out_height * conv.out_width, tile.size[0]

    def write() -> None:
        x = argument("input", conv.batch, tiling.inner, conv.height * conv.width, lanes)
        u = argument("weights", groups, tiling.numbers, tiling.inner, lanes, tile.vectors * lanes)
        table = argument("table", conv.epilogue.rows, groups * tile.vectors * lanes)
        other = other_argument(conv, tiling.outer, pixels, lanes)
        y = argument("output", conv.batch, tiling.outer, pixels, lanes)
        writer = EpilogueWriter(conv.epilogue, isa, table, other)
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

    return function(name, write)
