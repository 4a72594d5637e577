"""f32 epilogue alone: what is done to a map that no convolution of ours gave, or that others read too.

A shortcut's addition, an activation, a batch norm before a convolution (a scale per channel), a squeeze's gate.

Every block of channels is a task; T pixels are in flight.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.builder.emit import bind, parallel, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.workload import Elementwise
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class ElementwiseTile:
    """The integer to tune: pixels in flight."""

    pixels: int = 8


def elementwise(work: Elementwise, tile: ElementwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L), the gate (N, C/L, 1, L) where there is one, table (rows, C), the map to add
    (where there is one and it is not the output), output (N, C/L, P, L).
    """
    lanes, count, epilogue = isa.lanes, blocks(work.channels, isa.lanes), work.epilogue

    def write() -> None:
        x = argument("input", work.batch, count, work.pixels, lanes)
        gate = argument("gate", work.batch, count, 1, lanes) if work.scale == "gate" else None
        table = argument("table", work.rows, count * lanes)
        separate = epilogue.add and not epilogue.in_place
        other = argument("other", work.batch, count, work.pixels, lanes) if separate else None
        y = argument("output", work.batch, count, work.pixels, lanes)
        writer = EpilogueWriter(epilogue, isa, table, other)
        with parallel(work.batch, count, threads=threads) as (n, block):
            bias, rows = writer.bias(block), writer.rows(block)
            scale = _scale(work, isa, table, gate, n, block)

            def apply(first: Expr, size: int) -> None:
                for t in range(size):
                    at = (n, block, first + t, 0)
                    value = load(x, *at, lanes=lanes)
                    writer.put((value if scale is None else value * scale) + bias, rows, y, at)

            tiles(work.pixels, tile.pixels, apply)

    return function(name, write)


def _scale(work: Elementwise, isa: Isa, table: Buffer, gate: Buffer | None, n: Expr, block: Expr) -> Expr | None:
    """What a block of channels is multiplied by."""
    if gate is not None:
        return bind(load(gate, n, block, 0, 0, lanes=isa.lanes))
    if work.scale == "constant":
        return bind(load(table, work.rows - 1, block * isa.lanes, lanes=isa.lanes))
    return None
