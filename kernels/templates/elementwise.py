"""f32 epilogue alone: what is done to a map that no convolution of ours gave, or that others read too.

A shortcut's addition, an activation, a batch norm before a convolution (a scale per channel), a squeeze's gate.

Every block of channels is a task; T pixels are in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import bind, parallel, tiles
from rdpass.kernels.builder.epilogue import EpilogueWriter, other_argument
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load
from rdpass.kernels.builder.packing import blocks, pack_grouped_table
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Elementwise
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class ElementwiseTile(Tile):
    """The integer to tune: pixels in flight."""

    pixels: int = 8


def elementwise(work: Elementwise, tile: ElementwiseTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, P, L), the gate (N, C/L, 1, L) where there is one, table (rows, C), the map to add
    (where there is one and it is not the output), output (N, C/L, P, L).
    """
    lanes, epilogue = isa.block(work.types.input), work.epilogue
    count = blocks(work.channels, lanes)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, count, work.pixels, lanes)
        gate = argument("gate", work.types.input, work.batch, count, 1, lanes) if work.scale == "gate" else None
        table = argument("table", work.types.accumulator, work.rows, count * lanes)
        other = other_argument(epilogue, work.types.output, work.batch, count, work.pixels, lanes)
        y = argument("output", work.types.output, work.batch, count, work.pixels, lanes)
        writer = EpilogueWriter(epilogue, isa, work.types.accumulator, table, other)
        with parallel(work.batch, count, threads=threads) as (n, block):
            bias, rows = writer.bias(block), writer.rows(block)
            scale = _scale(work, isa, table, gate, n, block)

            def apply(first: Expr, size: int) -> None:
                for t in range(size):
                    at = (n, block, first + t, 0)
                    value = load(x, *at, lanes=lanes)
                    writer.put((value if scale is None else value * scale) + bias, rows, y, at)

            tiles(work.pixels, tile.pixels, apply)

    return function(name, work.types.accumulator, write)


def _scale(work: Elementwise, isa: Isa, table: Buffer, gate: Buffer | None, n: Expr, block: Expr) -> Expr | None:
    """The scale of a block of channels, if any."""
    lanes = isa.block(work.types.input)
    if gate is not None:
        return bind(load(gate, n, block, 0, 0, lanes=lanes))
    if work.scale == "constant":
        return bind(load(table, work.rows - 1, block * lanes, lanes=lanes))
    return None


class ElementwiseTemplate(Template[Elementwise, ElementwiseTile]):
    name = "elementwise"
    workload = Elementwise
    tile = ElementwiseTile
    types = FLOATS

    def misfit(self, work: Elementwise, machine: Machine) -> str | None:
        return "another map is multiplied in kernels of bytes alone" if work.scale == "map" else None

    def tiles(self, work: Elementwise, machine: Machine) -> Iterator[ElementwiseTile]:
        yield from (ElementwiseTile(pixels) for pixels in (8, 4, 2, 1) if pixels <= work.pixels)

    def default(self, work: Elementwise, machine: Machine) -> ElementwiseTile:
        """Eight pixels, or as many as there are."""
        return ElementwiseTile(min(8, work.pixels))

    def build(
        self, work: Elementwise, constants: Sequence[Any], tile: ElementwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        added = ("_late_add" if work.epilogue.late else "_add") if work.epilogue.add else ""
        scaled = {"constant": "scale_", "gate": "gate_"}.get(work.scale, "")
        kind = f"{scaled}{work.epilogue.activation}{added}"
        name = kernel_name(kind, work, f"_{work.channels}x{work.pixels}", machine.isa)
        function = elementwise(work, tile, machine.isa, machine.threads, name)
        return (
            kernel_of(
                work,
                machine,
                name,
                function,
                pack_grouped_table(constants[0], 1, machine.isa.block(work.types.input), work.types.accumulator),
            ),
        )

    def oracle(self, work: Elementwise, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.elementwise(work, constants, inputs)


ELEMENTWISE = ElementwiseTemplate()
