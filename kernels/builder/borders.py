"""An axis of a map cut into tiles of output, so that borders cost nothing inside.

Tiles that see nothing outside the map follow each other in one loop. Those at the ends are written out one by one: for
them it is known, as the code is written, which taps lie outside, and those taps are left out. No border is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.builder.emit import serial, when
from rdpass.kernels.builder.function import Expr


@dataclass(frozen=True)
class Axis:
    """One axis of a windowed operation: extents of input and output, stride, padding in front, reach of the window."""

    extent: int
    out: int
    stride: int
    before: int
    reach: int

    @property
    def is_covered(self) -> bool:
        """Tell whether every window sees some of the map."""
        return self.before < self.reach and (self.out - 1) * self.stride - self.before < self.extent

    def is_inside(self, first: int, size: int) -> bool:
        """Tell whether all that ``size`` outputs from ``first`` on see lies in the map."""
        begin = first * self.stride - self.before
        return begin >= 0 and begin + (size - 1) * self.stride + self.reach <= self.extent


@dataclass(frozen=True)
class AxisTile:
    """``size`` outputs from ``first`` on, a number known now where ``known``."""

    axis: Axis
    first: Expr
    size: int
    known: bool

    def input(self, offset: int) -> Expr:
        """The input that lies ``offset`` behind the first that the tile sees."""
        return self.first * self.axis.stride - self.axis.before + offset

    def has(self, offset: int) -> bool:
        """Tell whether that input lies in the map."""
        return not self.known or 0 <= self.input(offset) < self.axis.extent


def each_tile(axis: Axis, width: int, body: Callable[[AxisTile], None], part: tuple[Expr, Expr] | None = None) -> None:
    """Cover the axis with tiles of ``width`` outputs; the last one may be smaller.

    ``part``: only the tiles from a number on and before another, which are met as the code runs.
    """
    number = 0
    for (inside, size), run in groupby(_tiles(axis, width), key=lambda tile: tile[1:]):
        firsts = [first for first, *_ in run]
        if inside and len(firsts) > 1:
            with _turns(len(firsts), number, part) as index:
                body(AxisTile(axis, firsts[0] + index * width, size, False))
        else:
            for place, first in enumerate(firsts, number):
                wanted = True if part is None else tirx.all(part[0] <= place, place < part[1])
                when(wanted, partial(body, AxisTile(axis, first, size, True)))
        number += len(firsts)


def tile_count(axis: Axis, width: int) -> int:
    """Tiles of ``width`` outputs that cover the axis."""
    return -(-axis.out // width)


def _turns(count: int, number: int, part: tuple[Expr, Expr] | None) -> Any:
    """A loop over ``count`` tiles, the first of which is the one of this ``number``; over those of ``part`` alone."""
    if part is None:
        return serial(count)
    begin, end = part
    return T.serial(tirx.max(begin - number, 0), tirx.min(end - number, count))


def _tiles(axis: Axis, width: int) -> Iterator[tuple[int, bool, int]]:
    for first in range(0, axis.out, width):
        size = min(width, axis.out - first)
        yield first, axis.is_inside(first, size), size
