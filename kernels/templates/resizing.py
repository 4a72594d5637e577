"""f32 maps at other extents on blocked channels: the nearest pixel, or linear between the two next to a place.

An output lies at (a i + b) / d of its axis, held to the map: whole numbers, so that no place is rounded.
1. Rows: where an output row lies is computed as it is met. Its two source rows are mixed, a column when it is first
   read.
2. Columns: p = d / gcd(a, d) outputs in a row lie as the p before them do, a / gcd(a, d) columns further on. Such
   periods follow each other in one loop, their offsets and weights known as the code is written; those at the ends,
   which reach outside, are written out one by one. Where p is large, places are computed as they are met.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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
from rdpass.targets.isa import Isa

_LONGEST_PERIOD = 8
"""Outputs of a period that is still written out."""


@dataclass(frozen=True)
class ResizingTile(Tile):
    """The integer to tune: periods in flight, or pixels where places are computed."""

    periods: int = 4


@dataclass(frozen=True)
class Between:
    """A place on an axis: two positions that lie in it, and how many of ``places.d`` parts it lies behind the first.

    ``rest``: None where it can only lie on the first, a number where that is known as the code is written.
    """

    low: Expr
    high: Expr
    rest: Expr | None
    places: Places


def resizing(work: Resizing, tile: ResizingTile, isa: Isa, threads: int, name: str) -> tirx.PrimFunc:
    """Arguments: input (N, C/L, H W, L), output (N, C/L, H' W', L)."""
    lanes = isa.block(work.types.input)
    count = blocks(work.channels, lanes)

    def write() -> None:
        x = argument("input", work.types.input, work.batch, count, work.height * work.width, lanes)
        y = argument("output", work.types.output, work.batch, count, work.out_height * work.out_width, lanes)
        with parallel(work.batch, count, work.out_height, threads=threads) as (n, block, row):
            line = _FloatLine(work, isa, x, (n, block), row)
            begin = bind(row * work.out_width)

            def put(column: Expr, value: Expr) -> None:
                store(y, value, n, block, begin + column, 0, lanes=lanes)

            columns(work, tile.periods, line, put)

    return function(name, work.types.accumulator, write)


class Line(ABC):
    """One output row's source: a column of it is mixed from two rows of the map. ``of``: image and block."""

    def __init__(self, work: Resizing, x: Buffer, of: tuple[Expr, Expr], row: Expr) -> None:
        self.work, self.x, self.of = work, x, of
        self.rows = _computed(work.down, row, work)
        self.low = bind(self.rows.low * work.width)
        self.high = None if self.rows.rest is None else bind(self.rows.high * work.width)

    def column(self, at: Expr) -> Expr:
        low = bind(self.read(self.low, at))
        return (
            low
            if self.high is None
            else bind(self.mix(low, self.read(self.high, at), self.rows.rest, self.rows.places.d))
        )

    def value(self, place: Between, column: Callable[[Expr], Expr]) -> Expr:
        """The value at a place of a row, given its columns."""
        low = column(place.low)
        if place.rest is None:
            return self.alone(low, place.places.d)
        return self.mix(low, column(place.high), place.rest, place.places.d)

    def alone(self, value: Expr, parts: int) -> Expr:
        """A mixture of one value, which has all the parts."""
        return value

    @abstractmethod
    def read(self, row: Expr, at: Expr) -> Expr:
        """The channels of a pixel: the first of its row, and its column."""

    @abstractmethod
    def mix(self, low: Expr, high: Expr, rest: Expr, parts: int) -> Expr:
        """Two values, of which the second has ``rest`` of the ``parts``."""


class _FloatLine(Line):
    def __init__(self, work: Resizing, isa: Isa, x: Buffer, of: tuple[Expr, Expr], row: Expr) -> None:
        super().__init__(work, x, of, row)
        self.vector = isa.vector(work.types.accumulator)

    def read(self, row: Expr, at: Expr) -> Expr:
        return load(self.x, *self.of, row + at, 0, lanes=self.vector.lanes)

    def mix(self, low: Expr, high: Expr, rest: Expr, parts: int) -> Expr:
        numeric = self.vector.numeric.value
        weight = rest / parts if isinstance(rest, int) else tirx.Cast(numeric, rest) * tirx.const(1 / parts, numeric)
        return low + broadcast(weight, self.vector) * (high - low)


def columns(work: Resizing, in_flight: int, line: Line, put: Callable[[Expr, Expr], None]) -> None:
    """Every output of a row, so many periods, or pixels where places are computed, ``in_flight``."""
    common = gcd(work.across.a, work.across.d)
    period, step = work.across.d // common, work.across.a // common
    if period > _LONGEST_PERIOD:
        tiles(work.out_width, in_flight, lambda first, size: _met(work, line, put, first, size))
        return
    first, last = _whole_periods(work, period)
    _written(work, line, put, 0, first * period)
    whole = last - first
    in_flight = min(in_flight, max(1, whole))
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
    work: Resizing, line: Line, put: Callable[[Expr, Expr], None], first: Expr, count: int, columns: Expr | None = None
) -> None:
    """``count`` outputs from ``first`` on, offsets known: in the row itself or, with ``columns``, behind that one."""

    @cache
    def column(at: int) -> Expr:
        return line.column(at if columns is None else columns + at)

    for t in range(count):
        place = _known(work, t if columns is not None else first + t, held=columns is None)
        put(first + t, line.value(place, column))


def _met(work: Resizing, line: Line, put: Callable[[Expr, Expr], None], first: Expr, count: int) -> None:
    """``count`` outputs from ``first`` on, places computed."""
    for t in range(count):
        place = _computed(work.across, bind(first + t), work)
        put(first + t, line.value(place, line.column))


def _known(work: Resizing, index: int, held: bool) -> Between:
    """The place of an output whose number is known; ``held`` to the map, or known to lie in it."""
    places, end = work.across, work.width - 1
    place = places.a * index + places.b
    place = max(place, 0) if held else place
    low, rest = divmod(place, places.d)
    known = rest if work.kind == "linear" and rest else None
    ends = (min(low, end), min(low + 1, end)) if held else (low, low + 1)
    return Between(*ends, known, places)


def _computed(places: Places, index: Expr, work: Resizing) -> Between:
    """The place of an output whose number is met as the code runs."""
    end = (work.height if places is work.down else work.width) - 1
    place = bind(T.max(index * places.a + places.b, 0))
    low = bind(tirx.floordiv(place, places.d))
    rest = bind(place - low * places.d) if work.kind == "linear" else None
    return Between(bind(T.min(low, end)), bind(T.min(low + 1, end)), rest, places)


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
