"""A table of 256 bytes applied to every byte of a map.

Every block of sixteen channels is a task. On ARM the table lies in sixteen registers: TBL looks sixteen bytes up in the
first four of them, TBX in the next four, and so on, leaving those alone that are not there. Elsewhere bytes are loaded
one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.kernels.builder.emit import bind, element, parallel, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.intrinsics import arm, bits_as, shuffled
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload.lookup import Lookup
from rdpass.targets.isa import Isa

ENTRIES = 256
"""Numbers of a table."""
_AT_ONCE = 64
"""Entries in the four registers of one TBL."""


@dataclass(frozen=True)
class LookupTile(Tile):
    """The integer to tune: pixels in flight."""

    pixels: int = 4


def lookup(work: Lookup, tile: LookupTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, P, 16), table (256), output (N, C/16, P, 16)."""
    count = blocks(work.channels, BLOCK)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, count, work.pixels, BLOCK)
        table = argument("table", work.types.output, ENTRIES)
        y = argument("output", work.types.output, work.batch, count, work.pixels, BLOCK)
        with parallel(work.batch, count, threads=threads) as (n, block):
            look_up = table_reader(isa, table)

            def apply(first: Expr, size: int) -> None:
                for t in range(size):
                    at = (n, block, first + t, 0)
                    store(y, look_up(load(x, *at, lanes=BLOCK)), *at, lanes=BLOCK)

            tiles(work.pixels, tile.pixels, apply)

    return function(name, work.types.input, write)


def table_reader(isa: Isa, table: Buffer) -> Callable[[Expr], Expr]:
    """The function of sixteen bytes that ``table`` (256) says; where it lies in registers, it is loaded here."""
    return _in_registers(table) if isa.by_element else partial(_one_by_one, table)


def _in_registers(table: Buffer) -> Callable[[Expr], Expr]:
    kind = f"{table.dtype}x{BLOCK}"
    rows = [bind(load(table, first, lanes=BLOCK)) for first in range(0, ENTRIES, BLOCK)]
    fours = [rows[at : at + 4] for at in range(0, len(rows), 4)]

    def look_up(value: Expr) -> Expr:
        number = bind(bits_as(f"uint8x{BLOCK}", value))
        found = arm(kind, "tbl4", *fours[0], bits_as(kind, number))
        for index, four in enumerate(fours[1:], 1):
            # Numbers below wrap around: they are out of reach too.
            rest = number - T.Broadcast(tirx.const(index * _AT_ONCE, "uint8"), BLOCK)
            found = arm(kind, "tbx4", found, *four, bits_as(kind, rest))
        return found

    return look_up


def _one_by_one(table: Buffer, value: Expr) -> Expr:
    numbers = bind(bits_as(f"uint8x{BLOCK}", value))
    return shuffled(
        [load(table, tirx.Cast("int32", element(numbers, lane)), lanes=1) for lane in range(BLOCK)], range(BLOCK)
    )


class LookupTemplate(Template[Lookup, LookupTile]):
    name = "lookup"
    workload = Lookup
    tile = LookupTile
    types = tuple(types for types in INTEGERS if types.output is types.input)

    def tiles(self, work: Lookup, machine: Machine) -> Iterator[LookupTile]:
        yield from (LookupTile(pixels) for pixels in (4, 2, 1, 8) if pixels <= work.pixels)

    def default(self, work: Lookup, machine: Machine) -> LookupTile:
        """Four pixels, or as many as there are."""
        return LookupTile(min(4, work.pixels))

    def build(self, work: Lookup, constants: Sequence[Any], tile: LookupTile, machine: Machine) -> tuple[Kernel, ...]:
        (table,) = constants
        assert table.shape == (ENTRIES,)
        name = kernel_name(self.name, work, f"_{work.channels}x{work.pixels}", machine.isa)
        function = lookup(work, tile, machine.isa, machine.threads, name)
        return (kernel_of(work, machine, name, function, table),)

    def oracle(self, work: Lookup, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return np.asarray(constants[0][inputs[0].view(np.uint8)])


LOOKUP = LookupTemplate()
