"""Words to write kernels in: vectors, register arrays, parallel loops. A thin layer over TVM's IRBuilder.

Every function here only means something inside an open ``prim_func`` frame. Activations are buffers of shape
(N, C / L, P, L): blocks of L channels, P = H x W pixels, the L channels of a pixel side by side in one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.isa import Isa

Expr = Any
Buffer = Any

FLOAT = "float32"


def function(name: str, body: Callable[[], None]) -> tirx.PrimFunc:
    """The function that ``body`` writes."""
    with IRBuilder() as builder, T.prim_func():
        T.func_name(name)
        body()
    return builder.get()


def argument(name: str, *shape: int) -> Buffer:
    """A tensor that the caller hands over. It may begin anywhere in the caller's arena, 64-byte aligned."""
    return T.arg(name, T.buffer(shape, FLOAT, offset_factor=16))


def scratch(*shape: int) -> Buffer:
    """Memory of the kernel's own for as long as the loop around it runs; what is large comes from the workspace."""
    return T.alloc_buffer(shape, FLOAT)


def load(buffer: Buffer, *index: Expr, lanes: int) -> Expr:
    return buffer[(*index[:-1], _run(index[-1], lanes))]


def store(buffer: Buffer, value: Expr, *index: Expr, lanes: int) -> None:
    T.buffer_store(buffer, value, [*index[:-1], _run(index[-1], lanes)])


def _run(first: Expr, lanes: int) -> Expr:
    return first if lanes == 1 else T.ramp(first, 1, lanes)


def spread(number: float | Expr, lanes: int) -> Expr:
    """A vector of one number."""
    scalar = tirx.const(float(number), FLOAT) if isinstance(number, int | float) else number
    return T.Broadcast(scalar, lanes)


def lane(vector: Expr, index: int, lanes: int) -> Expr:
    """A vector of one lane of another: folds into a multiply-accumulate by element."""
    return T.Broadcast(element(vector, index), lanes)


def element(vector: Expr, index: int) -> Expr:
    """One lane of a vector, as a number."""
    return tirx.Shuffle([vector], [tirx.const(index, "int32")])


def highest(values: Sequence[Expr], isa: Isa) -> Expr:
    """The largest of vectors, lane by lane.

    On ARM one instruction for two. T.max takes two there, unless one is a constant: its rule on NaN is x86's.
    """
    return _extreme(values, isa, T.max, "llvm.maximum")


def lowest(values: Sequence[Expr], isa: Isa) -> Expr:
    """The smallest, likewise."""
    return _extreme(values, isa, T.min, "llvm.minimum")


def _extreme(values: Sequence[Expr], isa: Isa, general: Callable[[Expr, Expr], Expr], arm: str) -> Expr:
    kind = f"{FLOAT}x{isa.lanes}"
    return reduce(lambda a, b: tirx.call_llvm_pure_intrin(kind, arm, a, b) if isa.by_element else general(a, b), values)


def bind(value: Expr) -> Expr:
    """Compute ``value`` here, once."""
    return T.bind(value)


class Registers:
    """``count`` vectors that stay in registers: a local array, indexed by numbers known when the code is written."""

    def __init__(self, count: int, lanes: int) -> None:
        self.lanes = lanes
        self.buffer = T.alloc_buffer((count * lanes,), FLOAT, scope="local")

    def __getitem__(self, index: int) -> Expr:
        return self.buffer[T.ramp(index * self.lanes, 1, self.lanes)]

    def __setitem__(self, index: int, value: Expr) -> None:
        T.buffer_store(self.buffer, value, [T.ramp(index * self.lanes, 1, self.lanes)])


def serial(extent: int | Expr) -> Any:
    """A loop; one that runs once leaves no loop behind, for TVM simplifies it away."""
    return T.serial(0, extent)


@contextmanager
def parallel(*extents: int, threads: int) -> Iterator[tuple[Expr, ...]]:
    """Loops fused into one that is dealt out to threads, if there are several."""
    total = 1
    for extent in extents:
        total *= extent
    loop = T.parallel if threads > 1 and total > 1 else T.serial
    with loop(0, total) as task:
        indices: list[Expr] = []
        rest: Expr = task
        for extent in reversed(extents[1:]):
            indices.append(bind(tirx.floormod(rest, extent)))
            rest = tirx.floordiv(rest, extent)
        yield (bind(rest), *reversed(indices))


def when(condition: Expr, then: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
    """``if``; a condition known now leaves only the branch that is taken."""
    if isinstance(condition, bool):
        chosen = then if condition else otherwise
        if chosen is not None:
            chosen()
        return
    with T.If(condition):
        with T.Then():
            then()
        if otherwise is not None:
            with T.Else():
                otherwise()


def both(*conditions: Expr) -> Expr:
    """All of them; those known now to hold are left out."""
    left = [condition for condition in conditions if condition is not True]
    if not left:
        return True
    return tirx.all(*left) if len(left) > 1 else left[0]


def tiles(extent: int, width: int, body: Callable[[Expr, int], None]) -> None:
    """Cover ``extent`` with tiles: ``body(first, size)`` in a loop for the full ones, once more for the rest."""
    full, rest = divmod(extent, width)
    if full == 1:
        body(0, width)
    elif full:
        with serial(full) as tile:
            body(tile * width, width)
    if rest:
        body(full * width, rest)


def indices(*extents: int) -> Iterator[tuple[int, ...]]:
    """All index tuples, last index fastest."""
    if not extents:
        yield ()
        return
    for first in range(extents[0]):
        for others in indices(*extents[1:]):
            yield (first, *others)
