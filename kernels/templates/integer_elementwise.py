"""Bytes of two maps joined: their sum, or their product, where the second may be a gate of one pixel.

Every block of sixteen channels is a task; T pixels are in flight.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import broadcast, parallel, tiles
from rdpass.kernels.builder.epilogue import other_argument
from rdpass.kernels.builder.function import Expr, argument, function
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.requantization import Requantizer, scalars_argument
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.quantization import INPUT_ZERO, OTHER_ZERO, ZERO
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Elementwise
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class IntegerElementwiseTile(Tile):
    """The integer to tune: pixels in flight."""

    pixels: int = 4


def integer_elementwise(
    work: Elementwise, tile: IntegerElementwiseTile, isa: Isa, threads: int, name: str
) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, P, 16), the gate (N, C/16, 1, 16) or map that is multiplied, the factor (1), scalars,
    the map to add (where there is one and it is not the output), output (N, C/16, P, 16).
    """
    types, count = work.types, blocks(work.channels, BLOCK)

    def write() -> None:
        x = argument("input", types.input, work.batch, count, work.pixels, BLOCK)
        pixels = 1 if work.scale == "gate" else work.pixels
        second = None if work.epilogue.add else argument("second", types.input, work.batch, count, pixels, BLOCK)
        factor = argument("factor", FLOAT32, 1)
        scalars = scalars_argument()
        other = other_argument(work.epilogue, types.output, work.batch, count, work.pixels, BLOCK)
        y = argument("output", types.output, work.batch, count, work.pixels, BLOCK)
        writer = Requantizer(work.epilogue, isa, types, factor, scalars, other)
        with parallel(work.batch, count, threads=threads) as (n, block):
            rows = [broadcast(factor[(0,)], writer.vector)] * writer.vectors
            gate = writer.widened(second, (n, block, 0, 0), OTHER_ZERO) if work.scale == "gate" else None

            def apply(first: Expr, size: int) -> None:
                for t in range(size):
                    at = (n, block, first + t, 0)
                    if second is None:
                        writer.join(writer.widened(x, at, ZERO), y, at)
                        continue
                    times = writer.widened(second, at, OTHER_ZERO) if gate is None else gate
                    own = writer.widened(x, at, INPUT_ZERO)
                    # Products of two differences of bytes are whole numbers of float32.
                    writer.scale([a * b for a, b in zip(own, times, strict=True)], rows, y, at)

            tiles(work.pixels, tile.pixels, apply)

    return function(name, types.input, write)


class IntegerElementwise(Template[Elementwise, IntegerElementwiseTile]):
    name = "integer_elementwise"
    workload = Elementwise
    tile = IntegerElementwiseTile
    types = INTEGERS

    def misfit(self, work: Elementwise, machine: Machine) -> str | None:
        if work.epilogue.add == (work.scale in ("gate", "map")):
            return "two maps of bytes are either added or multiplied"
        if work.epilogue.activation not in ("none", "clip"):
            return "an activation of bytes other than bounds is a table"
        return "a sum of bytes is bytes" if work.epilogue.add and work.types.output is FLOAT32 else None

    def tiles(self, work: Elementwise, machine: Machine) -> Iterator[IntegerElementwiseTile]:
        yield from (IntegerElementwiseTile(pixels) for pixels in (4, 2, 1, 8) if pixels <= work.pixels)

    def default(self, work: Elementwise, machine: Machine) -> IntegerElementwiseTile:
        """Four pixels, or as many as there are."""
        return IntegerElementwiseTile(min(4, work.pixels))

    def build(
        self, work: Elementwise, constants: Sequence[Any], tile: IntegerElementwiseTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        (by,) = constants
        kind = "add" if work.epilogue.add else f"{work.scale}_product"
        bounded = "_clip" if work.epilogue.activation == "clip" else ""
        name = kernel_name(f"{kind}{bounded}", work, f"_{work.channels}x{work.pixels}", machine.isa)
        function = integer_elementwise(work, tile, machine.isa, machine.threads, name)
        return (kernel_of(work, machine, name, function, by.factors.astype(FLOAT32.value)[:1], by.scalars),)

    def oracle(self, work: Elementwise, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.elementwise(work, constants, inputs)


INTEGER_ELEMENTWISE = IntegerElementwise()
