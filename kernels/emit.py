"""Words to write kernels in: vectors, register arrays, parallel loops. A thin layer over TVM's IRBuilder.

Every function here only means something inside an open ``prim_func`` frame. Activations are buffers of shape
(N, C / L, P, L): blocks of L channels, P = H x W pixels, the L channels of a pixel side by side in one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from math import prod
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.isa import Isa

Expr = Any
Buffer = Any

FLOAT = "float32"


WORKSPACE = "rdpass.workspace"
"""The attribute that tells how many floats of workspace a kernel takes."""


def function(name: str, body: Callable[[], None]) -> tirx.PrimFunc:
    """The function that ``body`` writes.

    What ``body`` asks of ``scratch`` comes from one more argument, behind its own: the workspace, so many floats, one
    line at least. How much it takes shows when the function has been written once, so it is written twice.
    """
    _, measured = _write(name, body, _Workspace())
    needed = max(measured.peak, _LINE)
    written, _ = _write(name, body, _Workspace(size=needed, shares=measured.shares))
    workspace, *own = written.params
    result = tirx.PrimFunc([*own, workspace], written.body, written.ret_type, written.attrs)
    return result.with_attr(WORKSPACE, needed)


@dataclass
class _Workspace:
    """The workspace while a function is written; all sizes in floats.

    ``base`` and ``used``: where the code being written begins, and what it has taken so far. ``shares``: what a thread
    takes in each parallel loop, in the order in which they are met; found out the first time, known the second.
    """

    size: int = 0
    shares: list[int] = field(default_factory=list)
    base: Expr = 0
    used: int = 0
    peak: int = 0
    met: int = 0
    buffer: Buffer = None

    def take(self, size: int) -> Expr:
        begin = self.base + self.used
        self.used += -(-size // _LINE) * _LINE
        self.peak = max(self.peak, self.used)
        return begin


_LINE = 16
"""Floats of a line of cache, on which every scratch begins."""

_writing: list[_Workspace] = []


def _write(name: str, body: Callable[[], None], workspace: _Workspace) -> tuple[tirx.PrimFunc, _Workspace]:
    with IRBuilder() as builder, T.prim_func():
        T.func_name(name)
        workspace.buffer = argument("workspace", max(workspace.size, _LINE))
        _writing.append(workspace)
        try:
            body()
        finally:
            _writing.pop()
    return builder.get(), workspace


def argument(name: str, *shape: int) -> Buffer:
    """A tensor that the caller hands over. It may begin at any vector of an arena, as a part of a map does."""
    return T.arg(name, T.buffer(shape, FLOAT, offset_factor=4))


class Scratch:
    """A part of the workspace, indexed as a buffer of its own ``shape``."""

    def __init__(self, buffer: Buffer, base: Expr, shape: tuple[int, ...]) -> None:
        self.buffer, self.base, self.shape = buffer, base, shape

    def at(self, index: Sequence[Expr]) -> Expr:
        """Where an element lies in the workspace."""
        place: Expr = _wide(0)
        for extent, number in zip(self.shape, map(_wide, index), strict=True):
            place = place * extent + number
        return place + _wide(self.base)

    def __getitem__(self, index: tuple[Expr, ...]) -> Expr:
        return self.buffer[(self.at(index),)]


def scratch(*shape: int) -> Scratch:
    """Memory of the kernel's own, its contents undefined. In a parallel loop every thread has its own."""
    workspace = _writing[-1]
    return Scratch(workspace.buffer, workspace.take(prod(shape)), shape)


def load(buffer: Buffer, *index: Expr, lanes: int) -> Expr:
    memory, place = _place(buffer, index, lanes)
    return memory[place]


def store(buffer: Buffer, value: Expr, *index: Expr, lanes: int) -> None:
    memory, place = _place(buffer, index, lanes)
    T.buffer_store(memory, value, place)


def _place(buffer: Buffer, index: Sequence[Expr], lanes: int) -> tuple[Buffer, list[Expr]]:
    """The memory that holds a buffer, and where in it ``lanes`` numbers from ``index`` on lie."""
    if isinstance(buffer, Scratch):
        return buffer.buffer, [_run(buffer.at(index), lanes)]
    *outer, last = map(_wide, index)
    return buffer, [*outer, _run(last, lanes)]


def _wide(number: Expr) -> Expr:
    """An index in 64 bits: LLVM steps a pointer through a loop only where it knows that no index overflows.

    Loads then lie so near their pointer that they come in pairs; otherwise each has an address of its own to compute.
    """
    return tirx.const(number, "int64") if isinstance(number, int) else tirx.Cast("int64", number)


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
    """Loops fused into one, which is dealt out to ``threads`` in equal shares, if there are several.

    What is asked of ``scratch`` in here is there once for every share, and free again afterwards.
    """
    total = prod(extents)
    length = -(-total // min(threads, total))
    shares = -(-total // length)
    if shares == 1:
        with _own_scratch(1, 0), T.serial(0, total) as task:
            yield _unravel(task, extents)
        return
    with T.parallel(0, shares) as share, _own_scratch(shares, share):
        begin = bind(share * length)
        with T.serial(begin, tirx.min(begin + length, total)) as task:
            yield _unravel(task, extents)


@contextmanager
def _own_scratch(shares: int, share: Expr) -> Iterator[None]:
    workspace = _writing[-1]
    base, used, peak, met = workspace.base, workspace.used, workspace.peak, workspace.met
    workspace.met += 1
    if met == len(workspace.shares):
        workspace.shares.append(0)
    workspace.base, workspace.used, workspace.peak = base + used + share * workspace.shares[met], 0, 0
    yield
    own = workspace.peak
    workspace.shares[met] = own
    workspace.base, workspace.used, workspace.peak = base, used, max(peak, used + shares * own)


@contextmanager
def passing() -> Iterator[None]:
    """What is asked of ``scratch`` in here is free again afterwards."""
    workspace = _writing[-1]
    used = workspace.used
    yield
    workspace.used = used


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


def indices(*extents: int) -> Iterator[tuple[int, ...]]:
    """All index tuples, last index fastest."""
    if not extents:
        yield ()
        return
    for first in range(extents[0]):
        for others in indices(*extents[1:]):
            yield (first, *others)
