"""Maps of bytes copied behind one another along their channels, those on another scale through a table.

Every block of sixteen channels of a part is a task; T pixels are in flight. A part that begins within a block of the
output is stored in two pieces, the end of one block and the beginning of the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tvm import tirx

from rdpass.core.comparison import Array
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, parallel, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.intrinsics import shuffled
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.templates.lookup import ENTRIES, table_reader
from rdpass.kernels.workload.concatenation import Concatenation
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class IntegerConcatenationTile(Tile):
    """The integer to tune: pixels in flight."""

    pixels: int = 4


def integer_concatenation(
    work: Concatenation, tile: IntegerConcatenationTile, isa: Isa, threads: int, name: str
) -> tirx.PrimFunc:
    """Arguments: each part (N, C/16, P, 16), a table (256) for each that is rescaled, output (N, C/16, P, 16)."""
    numeric = work.types.input

    def write() -> None:
        parts = [
            argument(f"part{index}", numeric, work.batch, blocks(count, BLOCK), work.pixels, BLOCK)
            for index, count in enumerate(work.parts)
        ]
        tables = [
            argument(f"table{index}", numeric, ENTRIES) if rescaled else None
            for index, rescaled in enumerate(work.rescaled)
        ]
        y = argument("output", numeric, work.batch, blocks(work.channels, BLOCK), work.pixels, BLOCK)

        def move(source: Buffer, table: Buffer, first: int, begin: int, count: int, channels: int) -> None:
            """``count`` blocks of so many channels each, from one on; the part begins at channel ``first``."""
            if not count:
                return
            with parallel(work.batch, count, threads=threads) as (n, index):
                rescaled: Callable[[Expr], Expr] = bind if table is None else table_reader(isa, table)
                block = bind(begin + index)

                def some(pixel: Expr, size: int) -> None:
                    for t in range(size):
                        value = rescaled(load(source, n, block, pixel + t, 0, lanes=BLOCK))
                        _put(value, channels, first, y, (n, block, pixel + t))

                tiles(work.pixels, tile.pixels, some)

        for source, table, first, channels in zip(parts, tables, work.firsts, work.parts, strict=True):
            whole, rest = divmod(channels, BLOCK)
            move(source, table, first, 0, whole, BLOCK)
            move(source, table, first, whole, int(rest > 0), rest)

    return function(name, numeric, write)


def _put(value: Expr, channels: int, first: int, y: Buffer, at: tuple[Expr, Expr, Expr]) -> None:
    """Store the first ``channels`` of a block whose part begins at channel ``first`` of the output."""
    (n, block, pixel), (skipped, lane) = at, divmod(first, BLOCK)
    value = bind(value)
    ending = min(channels, BLOCK - lane)
    for begin, count, behind, to in ((0, ending, 0, lane), (ending, channels - ending, 1, 0)):
        if count:
            piece = value if count == BLOCK else shuffled([value], range(begin, begin + count))
            store(y, piece, n, skipped + block + behind, pixel, to, lanes=count)


class IntegerConcatenation(Template[Concatenation, IntegerConcatenationTile]):
    name = "integer_concatenation"
    workload = Concatenation
    tile = IntegerConcatenationTile
    types = tuple(types for types in INTEGERS if types.output is types.input)

    def tiles(self, work: Concatenation, machine: Machine) -> Iterator[IntegerConcatenationTile]:
        yield from (IntegerConcatenationTile(pixels) for pixels in (4, 2, 1, 8) if pixels <= work.pixels)

    def default(self, work: Concatenation, machine: Machine) -> IntegerConcatenationTile:
        """Four pixels, or as many as there are."""
        return IntegerConcatenationTile(min(4, work.pixels))

    def build(
        self, work: Concatenation, constants: Sequence[Any], tile: IntegerConcatenationTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        assert len(constants) == sum(work.rescaled)
        shape = f"_{'_'.join(map(str, work.parts))}x{work.pixels}"
        name = kernel_name("concatenation", work, shape, machine.isa)
        function = integer_concatenation(work, tile, machine.isa, machine.threads, name)
        return (kernel_of(work, machine, name, function, *constants),)

    def oracle(self, work: Concatenation, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.concatenation(work, constants, inputs)


INTEGER_CONCATENATION = IntegerConcatenation()
