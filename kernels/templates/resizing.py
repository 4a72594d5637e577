"""f32 maps at other extents on blocked channels: the nearest pixel, or linear between the two next to a place.

An output lies at (a i + b) / d of its axis, held to the map: whole numbers, so that no place is rounded.
1. Rows: where an output row lies is computed as it is met. Its two source rows are mixed, a column when it is first
   read.
2. Columns: p = d / gcd(a, d) outputs in a row lie as the p before them do, a / gcd(a, d) columns further on. Such
   periods follow each other in one loop, their offsets and weights known as the code is written; those at the ends,
   which reach outside, are written out one by one. Where p is large, places are computed as they are met.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import gcd
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.comparison import Array
from rdpass.kernels import reference
from rdpass.kernels.builder.emit import bind, broadcast, parallel, serial, tiles
from rdpass.kernels.builder.function import Buffer, Expr, argument, function, load, store
from rdpass.kernels.builder.packing import blocks
from rdpass.kernels.machine import Machine
from rdpass.kernels.naming import kernel_name
from rdpass.kernels.template import FLOATS, Kernel, Template, Tile, kernel_of
from rdpass.kernels.workload import Places, Resizing
from rdpass.targets.isa import Isa, Vector

_LONGEST_PERIOD = 8
"""Outputs of a period that is still written out."""


@dataclass(frozen=True)
class ResizingTile(Tile):
    """The integer to tune: periods in flight, or pixels where places are computed."""

    periods: int = 4


@dataclass(frozen=True)
class _Between:
    """A place on an axis: two positions that lie in it, and the weight of the second; ``None`` where it has none."""

    low: Expr
    high: Expr
    weight: Expr | float | None


def resizing(work: Resizing, tile: ResizingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), output (N, C/L, H' W', L)."""
    lanes = isa.block(work.types.input)
    count = blocks(work.channels, lanes)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, count, work.height * work.width, lanes)
        y = argument("output", work.types.output, work.batch, count, work.out_height * work.out_width, lanes)
        with parallel(work.batch, count, work.out_height, threads=threads) as (n, block, row):
            line = _Line(work, isa, x, (n, block), _computed(work.down, row, work))
            begin = bind(row * work.out_width)

            def put(column: Expr, value: Expr) -> None:
                store(y, value, n, block, begin + column, 0, lanes=lanes)

            _columns(work, tile, line, put)

    return function(name, work.types.accumulator, write)


class _Line:
    """One output row's source: a column of it is mixed from two rows of the map."""

    def __init__(self, work: Resizing, isa: Isa, x: Buffer, of: tuple[Expr, Expr], rows: _Between) -> None:
        self.work, self.x, self.of = work, x, of
        self.vector = isa.vector(work.types.accumulator)
        self.low = bind(rows.low * work.width)
        self.high = None if rows.weight is None else bind(rows.high * work.width)
        self.weight = None if rows.weight is None else bind(broadcast(rows.weight, self.vector))

    def column(self, at: Expr) -> Expr:
        value = self._load(self.low, at)
        if self.high is None or self.weight is None:
            return bind(value)
        low = bind(value)
        return bind(low + self.weight * (self._load(self.high, at) - low))

    def _load(self, row: Expr, at: Expr) -> Expr:
        return load(self.x, *self.of, row + at, 0, lanes=self.vector.lanes)


def _columns(work: Resizing, tile: ResizingTile, line: _Line, put: Callable[[Expr, Expr], None]) -> None:
    """Every output of a row."""
    common = gcd(work.across.a, work.across.d)
    period, step = work.across.d // common, work.across.a // common
    if period > _LONGEST_PERIOD:
        tiles(work.out_width, tile.periods, lambda first, size: _met(work, line, put, first, size))
        return
    first, last = _whole_periods(work, period)
    _written(work, line, put, 0, first * period)
    whole = last - first
    in_flight = min(tile.periods, max(1, whole))
    full, rest = divmod(whole, in_flight)

    def run(at: Expr, periods: int) -> None:
        """``periods`` of them from the one after ``at`` whole ones on."""
        outputs, columns = bind((first + at) * period), bind((first + at) * step)
        _written(work, line, put, outputs, periods * period, columns)

    if full:
        with serial(full) as index:
            run(index * in_flight, in_flight)
    if rest:
        run(full * in_flight, rest)
    _written(work, line, put, last * period, work.out_width - last * period)


def _whole_periods(work: Resizing, period: int) -> tuple[int, int]:
    """The first period whose outputs all lie in the map, and the one after the last."""
    inside = [_lies_inside(work, index) for index in range(work.out_width)]
    whole = [all(inside[i * period : (i + 1) * period]) for i in range(work.out_width // period)]
    first = next((i for i, fits in enumerate(whole) if fits), len(whole))
    last = first
    while last < len(whole) and whole[last]:
        last += 1
    return first, last


def _lies_inside(work: Resizing, index: int) -> bool:
    place, reach = work.across.a * index + work.across.b, work.kind == "linear"
    return place >= 0 and place // work.across.d + reach < work.width


def _written(
    work: Resizing, line: _Line, put: Callable[[Expr, Expr], None], first: Expr, count: int, columns: Expr | None = None
) -> None:
    """``count`` outputs from ``first`` on, offsets known: in the row itself or, with ``columns``, behind that one."""

    @cache
    def column(at: int) -> Expr:
        return line.column(at if columns is None else columns + at)

    for t in range(count):
        place = _known(work, t if columns is not None else first + t, held=columns is None)
        put(first + t, _mixed(place, column, line.vector))


def _met(work: Resizing, line: _Line, put: Callable[[Expr, Expr], None], first: Expr, count: int) -> None:
    """``count`` outputs from ``first`` on, places computed."""
    for t in range(count):
        place = _computed(work.across, bind(first + t), work)
        put(first + t, _mixed(place, line.column, line.vector))


def _mixed(place: _Between, column: Callable[[Expr], Expr], vector: Vector) -> Expr:
    """The value at a place of a row."""
    low = column(place.low)
    return low if place.weight is None else low + broadcast(place.weight, vector) * (column(place.high) - low)


def _known(work: Resizing, index: int, held: bool) -> _Between:
    """The place of an output whose number is known; ``held`` to the map, or known to lie in it."""
    places, end = work.across, work.width - 1
    place = places.a * index + places.b
    place = max(place, 0) if held else place
    low, rest = divmod(place, places.d)
    weight = rest / places.d if work.kind == "linear" and rest else None
    return _Between(min(low, end), min(low + 1, end), weight) if held else _Between(low, low + 1, weight)


def _computed(places: Places, index: Expr, work: Resizing) -> _Between:
    """The place of an output whose number is met as the code runs."""
    end = (work.height if places is work.down else work.width) - 1
    place = bind(T.max(index * places.a + places.b, 0))
    low = bind(tirx.floordiv(place, places.d))
    weight = None
    if work.kind == "linear":
        numeric = work.types.accumulator.value
        rest = tirx.Cast(numeric, place - low * places.d)
        weight = bind(rest * tirx.const(1 / places.d, numeric))
    return _Between(bind(T.min(low, end)), bind(T.min(low + 1, end)), weight)


class ResizingTemplate(Template[Resizing, ResizingTile]):
    name = "resizing"
    workload = Resizing
    tile = ResizingTile
    types = FLOATS

    def tiles(self, work: Resizing, machine: Machine) -> Iterator[ResizingTile]:
        yield from map(ResizingTile, (4, 1, 2, 8))

    def build(
        self, work: Resizing, constants: Sequence[Any], tile: ResizingTile, machine: Machine
    ) -> tuple[Kernel, ...]:
        shape = f"_{work.channels}_{work.height}x{work.width}_{work.out_height}x{work.out_width}"
        name = kernel_name(f"{work.kind}_resizing", work, shape, machine.isa)
        return (kernel_of(work, machine, name, resizing(work, tile, machine.isa, machine.threads, name)),)

    def oracle(self, work: Resizing, constants: Sequence[Any], inputs: Sequence[Array]) -> Array:
        return reference.resizing(work, constants, inputs)


RESIZING = ResizingTemplate()
