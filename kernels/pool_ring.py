"""The rows of a map that a max pool still needs, while the map is computed row by row and kept nowhere.

A new row takes the place of the oldest. Every row has the columns of the pool's border, which are -inf, as are rows
outside the map.
"""

from __future__ import annotations

from collections.abc import Callable

from tvm import tirx

from rdpass.kernels.emit import Buffer, Expr, bind, highest, load, scratch, serial, spread, store, tiles, when
from rdpass.kernels.isa import Isa
from rdpass.kernels.workload import Pooling

Position = Callable[[Expr, Expr], tuple[Expr, ...]]
"""The index, in the buffer that a row is written to, of the first lane of a block of channels at a column."""

Compute = Callable[[Expr, Position], None]
"""Writes the map's row of that number."""

_LOWEST = float("-inf")


class PoolRing:
    """As many rows as the pool's window is high, of ``outer`` blocks of channels; ``at_once`` columns are pooled."""

    def __init__(self, pool: Pooling, outer: int, at_once: int, isa: Isa) -> None:
        self.pool, self.outer, self.at_once, self.isa = pool, outer, at_once, isa
        self.width = max((pool.out_width - 1) * pool.stride[1] + pool.kernel[1], pool.padding[1] + pool.width)
        self.rows = scratch(outer, pool.kernel[0], self.width, self.isa.lanes)
        with serial(pool.kernel[0]) as slot:
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
                lambda: self._pool(out, n, bind(first + tirx.floordiv(done, stride))),
            )

    def _enter(self, compute: Compute, number: Expr, slot: Expr) -> None:
        """Row ``number`` of the map in ``slot``, in place of the oldest."""
        left = self.pool.padding[1]
        when(
            tirx.all(number >= 0, number < self.pool.height),
            lambda: compute(number, lambda block, column: (block, slot, left + column, 0)),
            lambda: self._clear(slot),
        )

    def _pool(self, out: Buffer, n: Expr, number: Expr) -> None:
        """Row ``number`` of the pool: maxima down the columns, then across. The order of the slots doesn't matter."""
        (kh, kw), stride = self.pool.kernel, self.pool.stride[1]
        with serial(self.outer) as block:

            def maxima(begin: Expr, size: int) -> None:
                def column(index: int) -> Expr:
                    at = (begin * stride + index, 0)
                    return bind(
                        highest([load(self.rows, block, s, *at, lanes=self.isa.lanes) for s in range(kh)], self.isa)
                    )

                columns = {q: column(q) for q in sorted({t * stride + j for t in range(size) for j in range(kw)})}
                for t in range(size):
                    value = highest([columns[t * stride + j] for j in range(kw)], self.isa)
                    at = number * self.pool.out_width + begin + t
                    store(out, value, n, block, at, 0, lanes=self.isa.lanes)

            tiles(self.pool.out_width, self.at_once, maxima)

    def _clear(self, slot: Expr) -> None:
        with serial(self.outer) as block, serial(self.width) as column:
            store(self.rows, spread(_LOWEST, self.isa.lanes), block, slot, column, 0, lanes=self.isa.lanes)
