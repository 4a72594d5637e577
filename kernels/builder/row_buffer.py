"""A row buffer: the rows of input that a few rows of output need, with the border's zeros around them.

Kernels fill a row buffer instead of padding a map. What is copied is small beside what is computed from it, lies
together in cache, and leaves no border for the inner loops to look after.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.builder.emit import bind, broadcast, serial, when
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Vector


@dataclass(frozen=True)
class Grid:
    """Every so many rows and columns, the ``step``, of a map of ``width`` columns, from ``first`` on."""

    step: tuple[int, int]
    first: tuple[int, int]
    width: int

    def place(self, row: Expr, column: Expr) -> Expr:
        """The pixel of the map that lies in such a row and column."""
        (down, across), (top, left) = self.step, self.first
        return (row * down + top) * self.width + column * across + left


@dataclass(frozen=True)
class RowBuffer:
    """Shape of the buffer for ``rows`` rows of output and ``channel_blocks`` blocks of channels.

    ``columns``: outputs of a row, where they are more than the map has; 0 for as many. ``grid``: where the rows and
    columns of the map lie in a larger one, which it is then copied from. ``border``: a vector of what lies around the
    map, zeros if not given.
    """

    conv: Convolution
    rows: int
    channel_blocks: int
    vector: Vector
    columns: int = 0
    grid: Grid | None = None
    border: Expr = None

    @property
    def height(self) -> int:
        return (self.rows - 1) * self.conv.stride[0] + self.conv.reach[0]

    @property
    def width(self) -> int:
        return ((self.columns or self.conv.out_width) - 1) * self.conv.stride[1] + self.conv.reach[1]

    def allocate(self) -> Buffer:
        return scratch(self.channel_blocks, self.height, self.width, self.vector.lanes)

    def fill(self, rows: Buffer, source: Buffer, n: Expr, first_block: Expr, out_row: Expr) -> None:
        """Copy the rows that begin at output row ``out_row``, of the blocks from ``first_block`` on."""
        top = bind(out_row * self.conv.stride[0] - self.conv.padding[0])
        with serial(self.channel_blocks) as block, serial(self.height) as line:
            row = bind(top + line)
            inside = tirx.all(row >= 0, row < self.conv.height) if self._may_leave() else True
            when(
                inside,
                lambda: self._copy(rows, source, (n, first_block + block), (block, line), row),
                lambda: self._clear((block, line), rows, 0, self.width),
            )

    def _may_leave(self) -> bool:
        """Tell whether any row of any buffer lies outside the map: the last one may, by being as high as the others."""
        whole = -(-self.conv.out_height // self.rows) * self.rows
        last = (whole - 1) * self.conv.stride[0] + self.conv.reach[0] - self.conv.padding[0]
        return self.conv.padding[0] > 0 or last > self.conv.height

    def _copy(self, rows: Buffer, source: Buffer, where: tuple[Expr, Expr], line: tuple[Expr, Expr], row: Expr) -> None:
        left = self.conv.padding[1]
        inner = min(self.conv.width, self.width - left)
        self._clear(line, rows, 0, left)
        with serial(inner) as column:
            place = row * self.conv.width + column if self.grid is None else self.grid.place(row, column)
            value = load(source, *where, place, 0, lanes=self.vector.lanes)
            store(rows, value, *line, left + column, 0, lanes=self.vector.lanes)
        self._clear(line, rows, left + inner, self.width)

    def _clear(self, line: tuple[Expr, Expr], rows: Buffer, begin: int, end: int) -> None:
        if end > begin:
            border = broadcast(0.0, self.vector) if self.border is None else self.border
            with serial(end - begin) as column:
                store(rows, border, *line, begin + column, 0, lanes=self.vector.lanes)
