"""f32 epilogue alone: what is done to a map that no convolution of ours gave, a kept shortcut's addition above all.

Every block of channels is a task; T pixels are in flight.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.emit import Expr, argument, function, load, parallel, tiles
from rdpass.kernels.finish import Finish
from rdpass.kernels.isa import Isa
from rdpass.kernels.packing import blocks
from rdpass.kernels.workload import Elementwise


@dataclass(frozen=True)
class ElementwiseTile:
    """The integer to tune: pixels in flight."""

    pixels: int = 8


def elementwise(work: Elementwise, tile: ElementwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L), table (rows, C), the map to add (where there is one and it is not the output),
    output (N, C/L, P, L).
    """
    lanes, count, epilogue = isa.lanes, blocks(work.channels, isa.lanes), work.epilogue

    def write() -> None:
        x = argument("input", work.batch, count, work.pixels, lanes)
        table = argument("table", epilogue.rows, count * lanes)
        separate = epilogue.add and not epilogue.in_place
        other = argument("other", work.batch, count, work.pixels, lanes) if separate else None
        y = argument("output", work.batch, count, work.pixels, lanes)
        finish = Finish(epilogue, isa, table, other)
        with parallel(work.batch, count, threads=threads) as (n, block):
            bias, rows = finish.bias(block), finish.rows(block)

            def apply(first: Expr, size: int) -> None:
                for t in range(size):
                    at = (n, block, first + t, 0)
                    finish.put(load(x, *at, lanes=lanes) + bias, rows, y, at)

            tiles(work.pixels, tile.pixels, apply)

    return function(name, write)
