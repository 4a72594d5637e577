"""Maps of bytes at other extents: the nearest pixel, or linear between the two next to a place.

Places and periods are those of floats (``resizing``). Weights are whole numbers: an output at (a i + b) / d takes r of
d parts of the second pixel and d - r of the first, down and then across, so that sums are exact in int16 or int32. One
factor makes bytes of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, INT16, INT32
from rdpass.kernels import integer_reference
from rdpass.kernels.builder.emit import bind, broadcast, parallel
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.integer_products import BLOCK
from rdpass.kernels.builder.intrinsics import section
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.builder.requantization import Requantizer, scalars_argument
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.quantization import INPUT_ZERO, mean_factors
from rdpass.kernels.template import INTEGERS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.templates.resizing import Line, columns
from rdpass.kernels.workload import Resizing
from rdpass.targets.isa import Isa, Vector

_BYTE = 256
_FIT, _FIT_WIDE = 1 << 15, 1 << 31
"""What sums of int16 and of int32 stay below."""


@dataclass(frozen=True)
class IntegerResizingTile(Tile):
    """The integer to tune: periods in flight, or pixels where places are computed."""

    periods: int = 2


def integer_resizing(resize: Resizing, tile: IntegerResizingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/16, H W, 16), where it is linear the factor (1) and scalars, then output
    (N, C/16, H' W', 16).
    """
    work = replace(resize, down=resize.down.reduced, across=resize.across.reduced)
    types, count = work.types, blocks(work.channels, BLOCK)

    def write() -> None:
        x = argument("input", types.input, work.batch, count, work.height * work.width, BLOCK)
        mixture = _Mixture(work, isa) if work.kind == "linear" else None
        y = argument("output", types.output, work.batch, count, work.out_height * work.out_width, BLOCK)
        with parallel(work.batch, count, work.out_height, threads=threads) as (n, block, row):
            begin = bind(row * work.out_width)

            def put(column: Expr, value: Expr) -> None:
                place = n, block, begin + column, 0
                if mixture is None:
                    store(y, value, *place, lanes=BLOCK)
                else:
                    mixture.put(value, y, place)

            columns(work, tile.periods, _ByteLine(work, x, (n, block), row), put)

    return function(name, types.input, write)


def parts_of(work: Resizing) -> int:
    """Parts that an output is a sum of, by the smallest numbers."""
    return work.down.reduced.d * work.across.reduced.d


class _ByteLine(Line):
    """Bytes as they are, or sums of so many parts."""

    def __init__(self, work: Resizing, x: Buffer, of: tuple[Expr, Expr], row: Expr) -> None:
        super().__init__(work, x, of, row)
        self.vector = Vector(INT16 if parts_of(work) * _BYTE <= _FIT else INT32, BLOCK)

    def read(self, row: Expr, at: Expr) -> Expr:
        value = load(self.x, *self.of, row + at, 0, lanes=BLOCK)
        return value if self.work.kind == "nearest" else tirx.Cast(str(self.vector), value)

    def mix(self, low: Expr, high: Expr, rest: Expr, parts: int) -> Expr:
        return low * self._same(parts - rest) + high * self._same(rest)

    def alone(self, value: Expr, parts: int) -> Expr:
        return value if self.work.kind == "nearest" else value * self._same(parts)

    def _same(self, number: Expr) -> Expr:
        kind = self.vector.numeric.value
        return T.Broadcast(tirx.const(number, kind) if isinstance(number, int) else tirx.Cast(kind, number), BLOCK)


class _Mixture:
    """What a linear resize takes besides the map, and the way from sums to bytes."""

    def __init__(self, work: Resizing, isa: Isa) -> None:
        self.parts = parts_of(work)
        self.factor, self.scalars = argument("factor", FLOAT32, 1), scalars_argument()
        self.writer = Requantizer(work.epilogue, isa, work.types, self.factor, self.scalars)

    def put(self, value: Expr, y: Buffer, place: tuple[Expr, ...]) -> None:
        """Store what sixteen sums become."""
        writer, lanes, held = self.writer, self.writer.lanes, bind(value)
        zeros = T.Broadcast(self.scalars[(INPUT_ZERO,)] * self.parts, lanes)
        totals = [tirx.Cast(f"int32x{lanes}", section(held, v, lanes)) - zeros for v in range(writer.vectors)]
        writer.put(totals, [broadcast(self.factor[(0,)], writer.vector)] * writer.vectors, y, place)


class IntegerResizing(Template[Resizing, IntegerResizingTile]):
    name = "integer_resizing"
    workload = Resizing
    tile = IntegerResizingTile
    types = INTEGERS

    def misfit(self, work: Resizing, machine: Machine) -> str | None:
        if work.kind == "nearest" and work.types.output is FLOAT32:
            return "the nearest byte is a byte"
        return None if parts_of(work) * _BYTE < _FIT_WIDE else "sums of so many parts are no int32"

    def tiles(self, work: Resizing, machine: Machine) -> Iterator[IntegerResizingTile]:
        yield from map(IntegerResizingTile, (2, 1, 4))

    def build(
        self, work: Resizing, constants: Sequence[Any], tile: IntegerResizingTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        shape = f"_{work.channels}_{work.height}x{work.width}_{work.out_height}x{work.out_width}"
        name = kernel_name(f"{work.kind}_resizing", work, shape, machine.isa)
        function = integer_resizing(work, tile, machine.isa, machine.threads, name)
        packed = [(mean_factors(by, np.array([parts_of(work)])), by.scalars) for by in constants]
        return (kernel_of(work, machine, name, function, *(array for arrays in packed for array in arrays)),)

    def oracle(self, work: Resizing, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return integer_reference.resizing(work, constants, inputs)


INTEGER_RESIZING = IntegerResizing()
