"""How often the blocks of a TIR function run, and how many instructions it has, from its loops.

Statements in a row, with no loop between them, are a *block* (``block``). Loops multiply. Where an extent or a
condition depends on a loop's variable (borders, shares of threads), the loop is gone through value by value, a long one
at evenly spread values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from tvm import s_tir, tirx
from tvm_ffi import StructuralKey

from rdpass.profiling.account.assembly import WRITTEN, assembly_blocks
from rdpass.profiling.account.block import Block, Tally
from rdpass.profiling.account.scope import Number, Scope, Values

_TRIED = 64
"""Values of a variable that a loop is gone through for."""


@dataclass(frozen=True)
class Counts:
    """What one call of a function does.

    Args:
        blocks: its blocks, with how often each runs.
        instructions: that its code has, about: those of each block once, an unrolled loop's for every turn.
    """

    blocks: Mapping[Block, float]
    instructions: int


def count(function: Any) -> Counts:
    """The counts of ``function``, a ``tirx.PrimFunc`` of static shapes."""
    return _read(StructuralKey(function))


@lru_cache(maxsize=512)
def _read(function: StructuralKey) -> Counts:
    """A network without its shortcuts has most functions of the one with them."""
    read = _Reader().read(function.key.body)
    return Counts(read.runs({}), read.instructions())


@dataclass
class _Node:
    """A statement; ``needs``: the loop variables that decide what runs in it."""

    needs: frozenset[Any] = frozenset()
    known: dict[tuple[int, ...], Counter[Block]] = field(default_factory=dict)

    def runs(self, values: Values) -> Counter[Block]:
        key = tuple(values.get(variable, 0) for variable in self.needs)
        if key not in self.known:
            self.known[key] = self._count(values)
        return self.known[key]

    def _count(self, values: Values) -> Counter[Block]:
        raise NotImplementedError

    def instructions(self) -> int:
        raise NotImplementedError


@dataclass
class _Straight(_Node):
    """A block; ``turns``: of its loop, that one run does."""

    block: Block = field(default_factory=Block)
    turns: int = 1

    def _count(self, values: Values) -> Counter[Block]:
        return Counter({self.block: 1 / self.turns})

    def instructions(self) -> int:
        return self.block.instructions


@dataclass
class _Known(_Node):
    """Blocks that run so often each time."""

    blocks: Mapping[Block, float] = field(default_factory=dict)

    def _count(self, values: Values) -> Counter[Block]:
        return Counter(self.blocks)

    def instructions(self) -> int:
        return sum(block.instructions for block in self.blocks)


@dataclass
class _Row(_Node):
    parts: Sequence[_Node] = ()

    def _count(self, values: Values) -> Counter[Block]:
        found: Counter[Block] = Counter()
        for part in self.parts:
            for block, runs in part.runs(values).items():
                found[block] += runs
        return found

    def instructions(self) -> int:
        return sum(part.instructions() for part in self.parts)


@dataclass
class _Loop(_Node):
    """``unrolled``: its body is written out for every turn."""

    variable: Any = None
    first: Number = lambda values: 0
    extent: Number = lambda values: 1
    body: _Node = field(default_factory=_Node)
    unrolled: bool = False

    def _count(self, values: Values) -> Counter[Block]:
        first, extent = self.first(values), max(0, self.extent(values))
        if self.variable not in self.body.needs:
            return _times(self.body.runs(values), extent) if extent else Counter()
        tried = range(extent) if extent <= _TRIED else [extent * (2 * i + 1) // (2 * _TRIED) for i in range(_TRIED)]
        found: Counter[Block] = Counter()
        for value in tried:
            for block, runs in self.body.runs({**values, self.variable: first + value}).items():
                found[block] += runs
        return _times(found, extent / max(1, len(tried)))

    def instructions(self) -> int:
        return self.body.instructions() * (max(0, self.extent({})) if self.unrolled else 1)


@dataclass
class _Branch(_Node):
    condition: Number = lambda values: 1
    then: _Node = field(default_factory=_Node)
    otherwise: _Node = field(default_factory=_Node)

    def _count(self, values: Values) -> Counter[Block]:
        return (self.then if self.condition(values) else self.otherwise).runs(values)

    def instructions(self) -> int:
        return self.then.instructions() + self.otherwise.instructions()


def _times(runs: Mapping[Block, float], factor: float) -> Counter[Block]:
    return Counter({block: count * factor for block, count in runs.items()})


class _Reader:
    """Reads statements."""

    def __init__(self) -> None:
        self.scope = Scope()

    def read(self, statement: Any, loop: Any = None) -> _Node:
        """``loop``: the variable of the loop of which the statement is the body."""
        parts: list[_Node] = []
        tally = Tally(self.scope, loop)
        for part in _flat(statement):
            inner = self._structure(part)
            if inner is None:
                tally.statement(part)
                continue
            parts += [*_straight(tally), inner]
            tally = Tally(self.scope, loop)
        parts += _straight(tally)
        return parts[0] if len(parts) == 1 else _Row(frozenset().union(*(p.needs for p in parts)), parts=parts)

    def _structure(self, statement: Any) -> _Node | None:
        """A loop or a branch; None for what belongs to a block."""
        if type(statement) not in _STRUCTURES:
            return None
        match statement:
            case tirx.For():
                first, extent = self.scope.number(statement.min), self.scope.number(statement.extent)
                body = self.read(statement.body, statement.loop_var)
                needs = (body.needs - {statement.loop_var}) | first[1] | extent[1]
                unrolled = int(statement.kind) == int(tirx.ForKind.UNROLLED)
                return _Loop(
                    needs, variable=statement.loop_var, first=first[0], extent=extent[0], body=body, unrolled=unrolled
                )
            case tirx.IfThenElse():
                condition = self.scope.number(statement.condition)
                then = self.read(statement.then_case)
                otherwise = _Row() if statement.else_case is None else self.read(statement.else_case)
                needs = condition[1] | then.needs | otherwise.needs
                return _Branch(needs, condition=condition[0], then=then, otherwise=otherwise)
            case tirx.While():
                return self.read(statement.body)
            case tirx.AttrStmt():
                return _Known(blocks=assembly_blocks(str(statement.value.value)))
            case _:
                return None


_STRUCTURES = frozenset({tirx.For, tirx.IfThenElse, tirx.While, tirx.AttrStmt})
_HOLDERS = frozenset({tirx.SeqStmt, tirx.AttrStmt, s_tir.SBlockRealize, s_tir.SBlock})
"""Classes of statements: to look one up is faster than to ask for instances."""


def _straight(tally: Tally) -> list[_Node]:
    found = tally.block()
    return [] if found is None else [_Straight(block=found[0], turns=found[1])]


def _flat(statement: Any) -> Iterator[Any]:
    """Statements in a row, out of whatever holds them."""
    if type(statement) not in _HOLDERS:
        yield statement
        return
    match statement:
        case tirx.SeqStmt():
            for part in statement.seq:
                yield from _flat(part)
        case tirx.AttrStmt() if statement.attr_key != WRITTEN:
            yield from _flat(statement.body)
        case s_tir.SBlockRealize():
            for variable, value in zip(statement.block.iter_vars, statement.iter_values, strict=True):
                yield tirx.Bind(variable.var, value)
            yield from _flat(statement.block)
        case s_tir.SBlock():
            for buffer in statement.alloc_buffers:
                yield tirx.AllocBuffer(buffer)
            if statement.init is not None:
                yield statement  # counted once by its body; what starts the sum runs once for each sum
            yield from _flat(statement.body)
        case _:
            yield statement
