"""The memory of a kernel: its arguments, a workspace that it asks for as it is written, loads and stores.

A function here only means something while ``function`` writes one. Activations are buffers of shape (N, C / L, P, L):
blocks of L channels, P = H x W pixels, the L channels of a pixel side by side in one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from math import prod
from typing import Any

import tvm
from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import NumericType

Expr = Any
Buffer = Any

WORKSPACE = "rdpass.workspace"
"""The attribute that tells how many numbers of workspace a kernel takes, each of its last argument's type."""


def function(name: str, numeric: NumericType, body: Callable[[], None]) -> tirx.PrimFunc:
    """The function that ``body`` writes.

    What ``body`` asks of ``scratch`` comes from one more argument, behind its own: the workspace, so many numbers of
    type ``numeric``, one line of cache at least. How much it takes shows when the function has been written once; where
    that is more than a line, it is written again. While ``written_once`` holds, another function of that name, made for
    the same machine and tile, is the same one.
    """
    known = _known.get()
    if known is None:
        return _measured_and_written(name, numeric, body)
    key = _made_for.get(), name
    if key not in known:
        known[key] = _measured_and_written(name, numeric, body)
    return known[key]


@contextmanager
def written_once() -> Iterator[None]:
    """Write a function once while the block runs: a network has most of its layers several times.

    An outer block holds for those within.
    """
    if _known.get() is not None:
        yield
        return
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


_Key = tuple[Hashable, str]
_known: ContextVar[dict[_Key, tirx.PrimFunc] | None] = ContextVar("functions that were written", default=None)
_made_for: ContextVar[Hashable] = ContextVar("what the functions are made for", default=None)


@contextmanager
def made_for(what: Hashable) -> Iterator[None]:
    """Tell what the functions of the block are made for beside their workload, which their names tell: a machine with
    its caches and threads, and a tile."""
    token = _made_for.set(what)
    try:
        yield
    finally:
        _made_for.reset(token)


def _measured_and_written(name: str, numeric: NumericType, body: Callable[[], None]) -> tirx.PrimFunc:
    written, measured = _write(name, body, _Workspace(numeric))
    needed = max(measured.peak, measured.line)
    if needed > measured.line or any(measured.shares):
        written, _ = _write(name, body, _Workspace(numeric, size=needed, shares=measured.shares))
    workspace, *own = written.params
    result = tirx.PrimFunc([*own, workspace], written.body, written.ret_type, written.attrs)
    return result.with_attr(WORKSPACE, needed)


@dataclass
class _Workspace:
    """The workspace while a function is written; all sizes in numbers of type ``numeric``.

    ``base`` and ``used``: where the code being written begins, and what it has taken so far. ``shares``: what a thread
    takes in each parallel loop, in the order in which they are met; found out the first time, known the second.
    """

    numeric: NumericType
    size: int = 0
    shares: list[int] = field(default_factory=list)
    base: Expr = 0
    used: int = 0
    peak: int = 0
    met: int = 0
    buffer: Buffer = None

    @property
    def line(self) -> int:
        """Numbers of a line of cache, on which every scratch begins."""
        return _LINE_BYTES // self.numeric.bytes

    def take(self, size: int) -> Expr:
        begin = self.base + self.used
        self.used += -(-size // self.line) * self.line
        self.peak = max(self.peak, self.used)
        return begin


_LINE_BYTES = 64
_ARENA_STEP = 16
"""Bytes that maps in an arena begin at multiples of: a vector of the narrowest instruction sets."""

_writing: list[_Workspace] = []


def _write(name: str, body: Callable[[], None], workspace: _Workspace) -> tuple[tirx.PrimFunc, _Workspace]:
    with IRBuilder() as builder, T.prim_func():
        T.func_name(name)
        workspace.buffer = argument("workspace", workspace.numeric, max(workspace.size, workspace.line))
        _writing.append(workspace)
        try:
            body()
        finally:
            _writing.pop()
    return builder.get(), workspace


def argument(name: str, numeric: NumericType, *shape: int) -> Buffer:
    """A tensor that the caller hands over. It may begin at any vector of an arena, as a part of a map does."""
    return T.arg(name, T.buffer(shape, numeric.value, offset_factor=_ARENA_STEP // numeric.bytes))


class Scratch:
    """A part of the workspace, indexed as a buffer of its own ``shape``."""

    def __init__(self, buffer: Buffer, base: Expr, shape: tuple[int, ...]) -> None:
        self.buffer, self.base, self.shape = buffer, base, shape

    def at(self, index: Sequence[Expr]) -> Expr:
        """The place of an element in the workspace."""
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


def workspace_type() -> NumericType:
    """The type of the numbers in the workspace."""
    return _writing[-1].numeric


def load(buffer: Buffer, *index: Expr, lanes: int) -> Expr:
    memory, place = _place(buffer, index, lanes)
    return memory[place]


def store(buffer: Buffer, value: Expr, *index: Expr, lanes: int) -> None:
    memory, place = _place(buffer, index, lanes)
    T.buffer_store(memory, value, place)


def address(buffer: Buffer, *index: Expr) -> Expr:
    """Where a number lies, as a pointer."""
    memory, place = _place(buffer, index, 1)
    return T.address_of(memory[place])


def pointer_to(loaded: Expr) -> Expr:
    """Where a vector that ``load`` gives begins."""
    (place,) = loaded.indices
    return T.address_of(loaded.source[place.base])


def distance(first: tuple[Buffer, tuple[Expr, ...]], second: tuple[Buffer, tuple[Expr, ...]]) -> int:
    """Bytes from one place in a buffer to another of it, each without the last index; known now."""
    places = (_flat(buffer, (*index, 0)) for buffer, index in (first, second))
    begin, end = places
    memory = first[0].buffer if isinstance(first[0], Scratch) else first[0]
    number = tvm.sym.Analyzer().simplify(end - begin)
    size: int = tvm.DataType(memory.dtype).itemsize
    return int(number) * size


def _flat(buffer: Buffer, index: Sequence[Expr]) -> Expr:
    if isinstance(buffer, Scratch):
        return buffer.at(index)
    place: Expr = _wide(0)
    for extent, number in zip(buffer.shape, map(_wide, index), strict=True):
        place = place * tirx.Cast("int64", extent) + number
    return place


def call_llvm_text(name: str, text: str, *operands: Expr) -> None:
    """Call the function ``name`` of LLVM's ``text``, which is inlined here."""
    with T.attr(tirx.const(0, "int32"), "pragma_import_llvm", text):
        T.evaluate(T.call_extern("int32", name, *operands))


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


@contextmanager
def own_scratch(shares: int, share: Expr) -> Iterator[None]:
    """Give each of ``shares`` scratch of its own, whatever is asked for in here; ``share`` tells which one is run."""
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
    """Free all scratch that is asked for in here afterwards."""
    workspace = _writing[-1]
    used = workspace.used
    yield
    workspace.used = used
