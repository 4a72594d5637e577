"""The rows of a map that a max pool still needs, while the map is computed row by row and kept nowhere.

A new row takes the place of the oldest. Every row has the columns of the pool's border, which are -inf, or the lowest
number of bytes, as are rows outside the map. Rows come one by one, or several at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from tvm import tirx

from rdpass.kernels.builder.emit import bind, broadcast, highest, serial, tiles, when
from rdpass.kernels.builder.function import Buffer, Expr, load, scratch, store
from rdpass.kernels.quantization import limits
from rdpass.kernels.workload import Pooling
from rdpass.targets.isa import Isa, Vector

Position = Callable[[Expr, Expr], tuple[Expr, ...]]
"""The index, in the buffer that a row is written to, of the first lane of a block of channels at a column."""

Compute = Callable[[Expr, Position], None]
"""Writes the map's row of that number."""

ComputeRows = Callable[[Expr, Callable[[int], Position]], None]
"""Writes the map's rows from that number on, each to a position of its own; those outside the map are -inf."""

LOWEST = float("-inf")


class PoolRing:
    """A ring of as many rows as the pool's window is high, of ``outer`` blocks of channels.

    ``at_once``: columns that are pooled together. ``come``: rows that are computed together; there is room for all but
    one of them besides.
    """

    def __init__(self, pool: Pooling, outer: int, at_once: int, isa: Isa, come: int = 1) -> None:
        self.pool, self.outer, self.at_once, self.isa, self.come = pool, outer, at_once, isa, come
        self.vector = Vector(pool.types.output, isa.block(pool.types.output))
        self.slots = pool.kernel[0] + come - 1
        self.width = max((pool.out_width - 1) * pool.stride[1] + pool.kernel[1], pool.padding[1] + pool.width)
        self.rows = scratch(outer, self.slots, self.width, self.vector.lanes)
        with serial(self.slots) as slot:
            self._clear(slot)

    def cover(self, compute: Compute, out: Buffer, n: Expr, first: Expr, count: int) -> None:
        """Write ``count`` rows of the pool, of image ``n``, from ``first`` on."""
        kernel, stride = self.pool.kernel[0], self.pool.stride[0]
        begin = bind(first * stride - self.pool.padding[0])
        period = max(kernel, stride)
        with serial((count - 1) * stride + kernel) as step:
            slot = bind(tirx.floormod(step, period))
            when(True if kernel >= stride else slot < kernel, lambda: self._enter(compute, bind(begin + step), slot))
            done = bind(step - (kernel - 1))
            when(
                tirx.all(done >= 0, tirx.floormod(done, stride) == 0),
                lambda: self._pool(out, n, bind(first + tirx.floordiv(done, stride)), range(kernel)),
            )

    def cover_together(self, compute: ComputeRows, out: Buffer, n: Expr, first: Expr, count: int) -> None:
        """Do as ``cover``, with as many rows of the map at once as come together."""
        kernel, stride = self.pool.kernel[0], self.pool.stride[0]
        begin = bind(first * stride - self.pool.padding[0])

        def complete(rows: Expr) -> Expr:
            """Rows of the pool that are complete after so many of the map."""
            return tirx.max(0, tirx.min(tirx.floordiv(rows - kernel, stride) + 1, count))

        def position(row: Expr, index: int) -> Position:
            slot = bind(tirx.floormod(row + index, self.slots))
            return lambda block, column: (block, slot, self.pool.padding[1] + column, 0)

        with serial(-(-((count - 1) * stride + kernel) // self.come)) as turn:
            row = bind(turn * self.come)
            compute(bind(begin + row), partial(position, row))
            known = bind(complete(row))
            with serial(complete(row + self.come) - known) as index:
                number = bind(known + index)
                places = [bind(tirx.floormod(number * stride + s, self.slots)) for s in range(kernel)]
                self._pool(out, n, bind(first + number), places)

    def _enter(self, compute: Compute, number: Expr, slot: Expr) -> None:
        """Row ``number`` of the map in ``slot``, in place of the oldest."""
        left = self.pool.padding[1]
        when(
            tirx.all(number >= 0, number < self.pool.height),
            lambda: compute(number, lambda block, column: (block, slot, left + column, 0)),
            lambda: self._clear(slot),
        )

    def _pool(self, out: Buffer, n: Expr, number: Expr, slots: Sequence[Expr]) -> None:
        """Row ``number`` of the pool, of the rows in ``slots``: maxima down the columns, then across."""
        kw, stride = self.pool.kernel[1], self.pool.stride[1]
        with serial(self.outer) as block:

            def maxima(begin: Expr, size: int) -> None:
                def column(index: int) -> Expr:
                    at = (begin * stride + index, 0)
                    seen = [load(self.rows, block, s, *at, lanes=self.vector.lanes) for s in slots]
                    return bind(highest(seen, self.isa, self.vector))

                columns = {q: column(q) for q in sorted({t * stride + j for t in range(size) for j in range(kw)})}
                for t in range(size):
                    value = highest([columns[t * stride + j] for j in range(kw)], self.isa, self.vector)
                    at = number * self.pool.out_width + begin + t
                    store(out, value, n, block, at, 0, lanes=self.vector.lanes)

            tiles(self.pool.out_width, self.at_once, maxima)

    def _clear(self, slot: Expr) -> None:
        numeric = self.vector.numeric
        lowest = LOWEST if numeric.is_float else limits(numeric)[0]
        with serial(self.outer) as block, serial(self.width) as column:
            store(self.rows, broadcast(lowest, self.vector), block, slot, column, 0, lanes=self.vector.lanes)
