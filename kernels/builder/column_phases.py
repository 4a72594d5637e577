"""Rows of a planar map in a buffer, split by column phase: what a few channels and a stride leave to vectors.

With s the stride across, column q of the padded map lies at place q / s of phase q mod s. So the inputs of one tap, for
pixels of the output side by side, lie side by side too. The buffer holds the rows of input that one row of output
needs; what lies outside the map is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx

from rdpass.kernels.builder.emit import bind, broadcast, serial, when
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.workload import Convolution
from rdpass.targets.isa import Vector


@dataclass(frozen=True)
class ColumnPhases:
    """Shape of the buffer for one row of output."""

    conv: Convolution
    vector: Vector

    @property
    def lanes(self) -> int:
        return self.vector.lanes

    @property
    def count(self) -> int:
        return self.conv.stride[1]

    @property
    def width(self) -> int:
        """Places of a phase, whole vectors: what is read by the last tile's last vector, and all that is copied."""
        read = self.conv.out_width + (self.conv.reach[1] - 1) // self.count + self.lanes - 1
        copied = (self.conv.padding[1] + self.conv.width - 1) // self.count + 1
        return -(-max(read, copied) // self.lanes) * self.lanes

    def place(self, tap: int) -> tuple[int, int]:
        """The phase of a tap of a row of the window, and how far it is shifted there."""
        phase = tap * self.conv.dilation[1] % self.count
        return phase, tap * self.conv.dilation[1] // self.count

    def allocate(self) -> Buffer:
        """The buffer, cleared; filling it leaves the border's zeros alone."""
        rows = scratch(self.conv.channels, self.conv.kernel[0], self.count, self.width)
        with serial(self.conv.channels) as channel, serial(self.conv.kernel[0]) as line:
            self._clear(rows, channel, line)
        return rows

    def fill(self, rows: Buffer, source: Buffer, n: Expr, out_row: Expr) -> None:
        """Copy the rows of a planar input (N, C, H W) that output row ``out_row`` needs."""
        top = bind(out_row * self.conv.stride[0] - self.conv.padding[0])
        with serial(self.conv.channels) as channel, serial(self.conv.kernel[0]) as line:
            row = bind(top + line * self.conv.dilation[0])
            when(
                tirx.all(row >= 0, row < self.conv.height),
                lambda: self._copy(rows, source, n, channel, line, row * self.conv.width),
                lambda: self._clear(rows, channel, line),
            )

    def _copy(self, rows: Buffer, source: Buffer, n: Expr, channel: Expr, line: Expr, begin: Expr) -> None:
        """Whole vectors of every phase, then column by column what is left."""
        step = self.count * self.lanes
        whole = self.conv.width // step
        with serial(whole) as chunk:
            self._split(
                rows,
                [bind(load(source, n, channel, begin + chunk * step + index * self.lanes, lanes=self.lanes))
                 for index in range(self.count)],
                channel, line, chunk * self.lanes,
            )  # fmt: skip
        with serial(self.conv.width - whole * step) as column:
            padded = bind(whole * step + column + self.conv.padding[1])
            value = source[n, channel, begin + whole * step + column]
            place = tirx.floormod(padded, self.count), tirx.floordiv(padded, self.count)
            store(rows, value, channel, line, *place, lanes=1)

    def _split(self, rows: Buffer, vectors: list[Expr], channel: Expr, line: Expr, place: Expr) -> None:
        """Store vectors of neighbouring columns, each column in its phase."""
        for first in range(self.count):
            padded = first + self.conv.padding[1]
            own = [tirx.const(first + self.count * index, "int32") for index in range(self.lanes)]
            vector = vectors[0] if self.count == 1 else tirx.Shuffle(vectors, own)
            at = (channel, line, padded % self.count, place + padded // self.count)
            store(rows, vector, *at, lanes=self.lanes)

    def _clear(self, rows: Buffer, channel: Expr, line: Expr) -> None:
        for phase in range(self.count):
            with serial(self.width // self.lanes) as vector:
                store(
                    rows,
                    broadcast(0.0, self.vector),
                    channel,
                    line,
                    phase,
                    vector * self.lanes,
                    lanes=self.lanes,
                )
