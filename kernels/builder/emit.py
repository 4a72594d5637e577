"""Words to write kernels in: vectors, register arrays, parallel loops. A thin layer over TVM's IRBuilder.

Every function here only means something while ``memory.function`` writes one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from math import prod
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.builder.function import Expr, own_scratch
from rdpass.targets.isa import Isa, Vector


def broadcast(number: float | Expr, vector: Vector) -> Expr:
    """A vector of one number."""
    if isinstance(number, int | float):
        number = tirx.const(float(number) if vector.numeric.is_float else int(number), vector.numeric.value)
    return T.Broadcast(number, vector.lanes)


def lane(vector: Expr, index: int, lanes: int) -> Expr:
    """A vector of one lane of another: folds into a multiply-accumulate by element."""
    return T.Broadcast(element(vector, index), lanes)


def element(vector: Expr, index: int) -> Expr:
    """One lane of a vector, as a number."""
    return tirx.Shuffle([vector], [tirx.const(index, "int32")])


def highest(values: Sequence[Expr], isa: Isa, vector: Vector) -> Expr:
    """The largest of vectors, lane by lane.

    On ARM one instruction for two. T.max takes two there, unless one is a constant: its rule on NaN is x86's.
    """
    return _extreme(values, isa, vector, T.max, "llvm.maximum")


def lowest(values: Sequence[Expr], isa: Isa, vector: Vector) -> Expr:
    """The smallest, likewise."""
    return _extreme(values, isa, vector, T.min, "llvm.minimum")


def _extreme(values: Sequence[Expr], isa: Isa, vector: Vector, general: Callable[[Expr, Expr], Expr], arm: str) -> Expr:
    kind, by_name = str(vector), isa.by_element and vector.numeric.is_float
    return reduce(lambda a, b: tirx.call_llvm_pure_intrin(kind, arm, a, b) if by_name else general(a, b), values)


def bind(value: Expr) -> Expr:
    """Compute ``value`` here, once."""
    return T.bind(value)


class Registers:
    """``count`` vectors that stay in registers: a local array, indexed by numbers known when the code is written."""

    def __init__(self, count: int, vector: Vector) -> None:
        self.vector, self.lanes = vector, vector.lanes
        self.buffer = T.alloc_buffer((count * vector.lanes,), vector.numeric.value, scope="local")

    @property
    def pointer(self) -> Expr:
        """Where they lie, to what reads and writes all of them and is inlined."""
        return T.address_of(self.buffer[0])

    def __getitem__(self, index: int) -> Expr:
        return self.buffer[T.ramp(index * self.lanes, 1, self.lanes)]

    def __setitem__(self, index: int, value: Expr) -> None:
        T.buffer_store(self.buffer, value, [T.ramp(index * self.lanes, 1, self.lanes)])


def serial(extent: int | Expr) -> Any:
    """A loop; one that runs once leaves no loop behind, for TVM simplifies it away."""
    return T.serial(0, extent)


@contextmanager
def parallel(*extents: int, threads: int) -> Iterator[tuple[Expr, ...]]:
    """Loops fused into one, which is dealt out to ``threads`` in equal shares, if there are several.

    What is asked of ``scratch`` in here is there once for every share, and free again afterwards.
    """
    total = prod(extents)
    length = -(-total // min(threads, total))
    shares = -(-total // length)
    if shares == 1:
        with own_scratch(1, 0), T.serial(0, total) as task:
            yield _unravel(task, extents)
        return
    with T.parallel(0, shares) as share, own_scratch(shares, share):
        begin = bind(share * length)
        with T.serial(begin, tirx.min(begin + length, total)) as task:
            yield _unravel(task, extents)


def _unravel(task: Expr, extents: Sequence[int]) -> tuple[Expr, ...]:
    """The index in every of the fused loops."""
    found: list[Expr] = []
    rest: Expr = task
    for extent in reversed(extents[1:]):
        found.append(bind(tirx.floormod(rest, extent)))
        rest = tirx.floordiv(rest, extent)
    return bind(rest), *reversed(found)


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


def spans(extent: int, block: int) -> list[tuple[int, int, int]]:
    """(begin, number of blocks, size of a block): the full blocks, then what is left over."""
    full, rest = divmod(extent, block)
    return [(0, full, block)] * bool(full) + [(full * block, 1, rest)] * bool(rest)


def indices(*extents: int) -> Iterator[tuple[int, ...]]:
    """All index tuples, last index fastest."""
    if not extents:
        yield ()
        return
    for first in range(extents[0]):
        for others in indices(*extents[1:]):
            yield (first, *others)
