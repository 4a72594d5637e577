"""An epilogue, written: the bias that sums start from, and what is done to them before they are stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import NumericType
from rdpass.kernels.builder.emit import Registers, bind, broadcast, highest, lowest, when
from rdpass.kernels.builder.function import Buffer, Expr, argument, load, store
from rdpass.kernels.builder.sigmoid import sigmoid
from rdpass.kernels.workload import ActivationKind, Epilogue
from rdpass.targets.isa import Isa, Vector

_READ_TWICE = ("prelu", "hard_swish", "silu")

Position = Callable[[int, Expr], tuple[Expr, ...]]
"""The index, in the output, of the first lane of tile ``t`` in a block of channels."""


class EpilogueWriter:
    """Writes epilogues of sums of type ``numeric``; ``table`` is a buffer (rows, padded filters)."""

    def __init__(
        self, epilogue: Epilogue, isa: Isa, numeric: NumericType, table: Buffer, other: Buffer | None = None
    ) -> None:
        self.epilogue = epilogue
        self.isa, self.vector = isa, isa.vector(numeric)
        self.table = table
        self.other = other

    def start(self, acc: Registers, size: tuple[int, int], group: Expr) -> None:
        """Set the sums of a tile (pixels, vectors), for a group of output channels, to the bias."""
        tiles, vectors = size
        for v in range(vectors):
            bias = self._row(0, group * vectors + v)
            for t in range(tiles):
                acc[t * vectors + v] = bias

    def end(
        self,
        acc: Registers,
        size: tuple[int, int],
        group: Expr,
        blocks: int,
        out: Buffer,
        position: Position,
        inside: Callable[[int], Expr] = lambda t: True,
        table_group: Expr | None = None,
    ) -> None:
        """EpilogueWriter and store the sums of a tile.

        The last group may reach beyond the ``blocks`` of channels that there are, and tile ``t`` is stored only where
        ``inside(t)`` holds. ``table_group``: the group's place in the table, where that is another one.
        """
        tiles, vectors = size
        for v in range(vectors):
            block = bind(group * vectors + v)

            def vector(v: int = v, block: Expr = block) -> None:
                rows = self.rows(block if table_group is None else table_group * vectors + v)
                for t in range(tiles):
                    value = acc[t * vectors + v]
                    when(inside(t), partial(self.put, value, rows, out, position(t, block)))

            when(block < blocks if blocks % vectors else True, vector)

    def bias(self, block: Expr) -> Expr:
        """The bias of a block of channels."""
        return self._row(0, block)

    def rows(self, block: Expr) -> list[Expr]:
        """The activation's own numbers for a block of channels."""
        return [self._row(row, block) for row in range(1, self.epilogue.rows)]

    def put(self, total: Expr, rows: list[Expr], out: Buffer, index: tuple[Expr, ...]) -> None:
        """Store what a sum that has its bias becomes."""
        epilogue, lanes = self.epilogue, self.vector.lanes
        if not epilogue.add:
            store(out, activate(epilogue, total, rows, self.isa, self.vector), *index, lanes=lanes)
            return
        other = load(out if epilogue.in_place else self.other, *index, lanes=lanes)
        value = activate(epilogue, total if epilogue.late else total + other, rows, self.isa, self.vector)
        store(out, value + other if epilogue.late else value, *index, lanes=lanes)

    def _row(self, row: int, block: Expr) -> Expr:
        return bind(load(self.table, row, block * self.vector.lanes, lanes=self.vector.lanes))


def activate(epilogue: Epilogue, value: Expr, rows: list[Expr], isa: Isa, vector: Vector) -> Any:
    """The activation of a vector."""

    def number(value: float) -> Expr:
        return broadcast(value, vector)

    low, high = {"clip": (epilogue.low, epilogue.high)}.get(epilogue.activation, (0.0, 1.0))

    def bounded(value: Expr) -> Expr:
        return T.min(T.max(value, number(low)), number(high))

    held = bind(value) if epilogue.activation in _READ_TWICE else value
    written: dict[ActivationKind, Callable[[], Expr]] = {
        "none": lambda: value,
        "relu": lambda: T.max(value, number(0.0)),
        "clip": lambda: bounded(value),
        "channel_clip": lambda: lowest([highest([value, rows[0]], isa, vector), rows[1]], isa, vector),
        "prelu": lambda: T.max(held, number(0.0)) + rows[0] * T.min(held, number(0.0)),
        "hard_sigmoid": lambda: bounded(value * number(1 / 6) + number(0.5)),
        "hard_swish": lambda: held * bounded(held * number(1 / 6) + number(0.5)),
        "sigmoid": lambda: sigmoid(value, vector),
        "silu": lambda: held * sigmoid(held, vector),
    }
    return written[epilogue.activation]()


def other_argument(epilogue: Epilogue, numeric: NumericType, *shape: int) -> Buffer | None:
    """The map that the epilogue adds, where it is not the output's own buffer."""
    return argument("other", numeric, *shape) if epilogue.add and not epilogue.in_place else None
