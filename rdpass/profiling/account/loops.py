"""Count the instructions of a TIR function from its loops.

1. Statements in a row, with no loop between them, are a *block*: it runs so many times, and what it does is counted by
   the units of a core that do it. Vectors of more than 128 bits are several; a sum of a product is one instruction.
2. Loops multiply. Where an extent or a condition depends on a loop's variable (borders, shares of threads), the loop is
   gone through value by value, a long one at evenly spread values.
3. Local arrays are registers: reading and writing them is free. Addresses are a few instructions a block.
4. A loop over single numbers, as TVM's own functions have, is one over vectors where LLVM makes it so: neighbours in
   memory are read and written by neighbouring turns, and no sum runs through them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import tvm
from tvm import s_tir, tirx
from tvm.ir.expr import TensorLoad
from tvm_ffi import StructuralKey

VECTOR = 128
"""Bits of a register."""
_TRIED = 64
"""Values of a variable that a loop is gone through for."""


@dataclass(frozen=True)
class Block:
    """Instructions of one run of a block, by the unit that does them.

    ``multiplies``: of floats, added to something or not. ``floats``: all else on floats. ``products``: multiplies of
    whole numbers that widen. ``integers``: all else on vectors of whole numbers. ``chain``: the longest row of
    multiplies that each wait for the one before, from one run to the next. ``divisions``: divisions and roots.
    ``calls``: of functions of the C library, one a number. ``pointers``: arrays it reads or writes.
    """

    multiplies: int = 0
    floats: int = 0
    products: int = 0
    integers: int = 0
    loads: int = 0
    stores: int = 0
    chain: int = 0
    divisions: int = 0
    calls: int = 0
    pointers: int = 0
    in_loop: bool = False


def count_blocks(function: Any) -> Mapping[Block, float]:
    """The blocks of ``function``, a ``tirx.PrimFunc`` of static shapes, with how often each runs in a call."""
    return _counted(StructuralKey(function))


@lru_cache(maxsize=512)
def _counted(function: StructuralKey) -> Mapping[Block, float]:
    """A network without its shortcuts has most functions of the one with them."""
    return _Reader().read(function.key.body).runs({})


# 1. A tree of loops, branches and blocks

Values = Mapping[Any, int]
Number = Callable[[Values], int]


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


@dataclass
class _Straight(_Node):
    """A block; ``turns``: of its loop, that one run does."""

    block: Block = Block()
    turns: int = 1

    def _count(self, values: Values) -> Counter[Block]:
        return Counter({self.block: 1 / self.turns})


@dataclass
class _Row(_Node):
    parts: Sequence[_Node] = ()

    def _count(self, values: Values) -> Counter[Block]:
        found: Counter[Block] = Counter()
        for part in self.parts:
            for block, runs in part.runs(values).items():
                found[block] += runs
        return found


@dataclass
class _Loop(_Node):
    variable: Any = None
    first: Number = lambda values: 0
    extent: Number = lambda values: 1
    body: _Node = field(default_factory=_Node)

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


@dataclass
class _Branch(_Node):
    condition: Number = lambda values: 1
    then: _Node = field(default_factory=_Node)
    otherwise: _Node = field(default_factory=_Node)

    def _count(self, values: Values) -> Counter[Block]:
        return (self.then if self.condition(values) else self.otherwise).runs(values)


def _times(runs: Mapping[Block, float], factor: float) -> Counter[Block]:
    return Counter({block: count * factor for block, count in runs.items()})


class _Reader:
    """Reads statements. ``numbers``: what variables bound to whole numbers are, and the loops' variables in them.
    ``registers``: the local arrays.
    """

    def __init__(self) -> None:
        self.numbers: dict[Any, tuple[Number, frozenset[Any]]] = {}
        self.registers: set[Any] = set()

    def read(self, statement: Any, loop: Any = None) -> _Node:
        """``loop``: the variable of the loop of which the statement is the body."""
        parts: list[_Node] = []
        tally = _Tally(self, loop)
        for part in _flat(statement):
            inner = self._structure(part)
            if inner is None:
                tally.statement(part)
                continue
            parts += tally.blocks()
            parts.append(inner)
            tally = _Tally(self, loop)
        parts += tally.blocks()
        return parts[0] if len(parts) == 1 else _Row(frozenset().union(*(p.needs for p in parts)), parts=parts)

    def _structure(self, statement: Any) -> _Node | None:
        """A loop or a branch; None for what belongs to a block."""
        match statement:
            case tirx.For():
                first, extent = self.number(statement.min), self.number(statement.extent)
                body = self.read(statement.body, statement.loop_var)
                needs = (body.needs - {statement.loop_var}) | first[1] | extent[1]
                return _Loop(needs, variable=statement.loop_var, first=first[0], extent=extent[0], body=body)
            case tirx.IfThenElse():
                condition = self.number(statement.condition)
                then = self.read(statement.then_case)
                otherwise = _Row() if statement.else_case is None else self.read(statement.else_case)
                needs = condition[1] | then.needs | otherwise.needs
                return _Branch(needs, condition=condition[0], then=then, otherwise=otherwise)
            case tirx.While():
                return self.read(statement.body)
            case _:
                return None

    def step(self, buffer: Any, indices: Sequence[Any], loop: Any) -> int | None:
        """Numbers from what one turn of a loop touches to what the next does; None where that is not known."""
        if loop is None:
            return None
        step, stride = 0, 1
        for index, extent in zip(reversed(indices), reversed(buffer.shape), strict=True):
            first = index.base if isinstance(index, tirx.Ramp) else index
            value, _ = self.number(first)
            step += (value({loop: 1}) - value({loop: 0})) * stride
            stride *= self.number(extent)[0]({})
        return step

    def number(self, expression: Any) -> tuple[Number, frozenset[Any]]:
        """A whole number or a truth as a function of loops' variables, and which. What can't be known is 1."""
        match expression:
            case int():
                return _constant(expression)
            case tirx.IntImm():
                return _constant(int(expression.value))
            case tirx.Cast():
                return self.number(expression.value)
            case tirx.Not():
                value, needs = self.number(expression.a)
                return (lambda values: not value(values)), needs
            case tirx.Var():
                return self.numbers.get(expression, (lambda values: values.get(expression, 0), frozenset({expression})))
            case tirx.Select():
                condition, then, otherwise = map(
                    self.number, (expression.condition, expression.true_value, expression.false_value)
                )
                chosen: Number = lambda values: (then if condition[0](values) else otherwise)[0](values)  # noqa: E731
                return chosen, condition[1] | then[1] | otherwise[1]
            case _ if type(expression) in _OPERATIONS:
                (left, left_needs), (right, right_needs) = self.number(expression.a), self.number(expression.b)
                operation = _OPERATIONS[type(expression)]
                return (lambda values: operation(left(values), right(values))), left_needs | right_needs
            case _:
                return _constant(1)


def _constant(value: int) -> tuple[Number, frozenset[Any]]:
    return (lambda values: value), frozenset()


_OPERATIONS: Mapping[type, Callable[[int, int], int]] = {
    tirx.Add: lambda a, b: a + b,
    tirx.Sub: lambda a, b: a - b,
    tirx.Mul: lambda a, b: a * b,
    tirx.FloorDiv: lambda a, b: a // b if b else 0,
    tirx.FloorMod: lambda a, b: a % b if b else 0,
    tirx.Min: min,
    tirx.Max: max,
    tirx.LT: lambda a, b: a < b,
    tirx.LE: lambda a, b: a <= b,
    tirx.GT: lambda a, b: a > b,
    tirx.GE: lambda a, b: a >= b,
    tirx.EQ: lambda a, b: a == b,
    tirx.NE: lambda a, b: a != b,
    tirx.And: lambda a, b: bool(a) and bool(b),
    tirx.Or: lambda a, b: bool(a) or bool(b),
}


def _flat(statement: Any) -> Iterator[Any]:
    """Statements in a row, out of whatever holds them."""
    match statement:
        case tirx.SeqStmt():
            for part in statement.seq:
                yield from _flat(part)
        case tirx.AttrStmt():
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


# 2. What a block does

_FREE = (tirx.Var, tirx.IntImm, tirx.FloatImm, tirx.Ramp)
_CALLED = ("exp", "exp2", "exp10", "log", "log2", "log1p", "tanh", "erf", "pow", "sin", "cos", "tan", "atan", "sigmoid")
_ROOTS = ("sqrt", "rsqrt", "fdiv")
_PRODUCTS = ("smull", "umull", "pmull", "sqdmulh", "sqrdmulh", "fmulx", "fma", "fmuladd")
_FUSED = ("smull", "umull", "saddlp", "uaddlp")
"""What adds to a sum in the same instruction: SMLAL, SADALP."""
_NOTHING = ("reinterpret", "vector.extract", "likely", "address_of", "bitcast")


_UNITS = ("multiplies", "floats", "products", "integers", "loads", "stores", "divisions", "calls")


class _Tally:
    """Counts the statements of one block, in the body of the loop over ``loop``. ``together``: turns that one
    instruction does."""

    def __init__(self, reader: _Reader, loop: Any) -> None:
        self.reader, self.loop = reader, loop
        self.counts: Counter[str] = Counter()
        self.sums: Counter[Any] = Counter()
        self.started: set[Any] = set()
        self.arrays: set[Any] = set()
        self.placed: set[Any] = set()
        self.any = False
        self.together = VECTOR

    def blocks(self) -> list[_Node]:
        if not self.any:
            return []
        counted = {name: self.counts[name] for name in _UNITS}
        turns = 1 if self.together == VECTOR else self.together
        counted["calls"] *= turns
        chain = max((count for place, count in self.sums.items() if place not in self.started), default=0)
        block = Block(**counted, chain=chain, pointers=len(self.arrays), in_loop=self.loop is not None)
        return [_Straight(block=block, turns=turns)]

    def _is_copy(self, value: Any) -> bool:
        """Tell whether it is one constant, or a vector that lies in a register already: what sums start from."""
        if isinstance(value, tirx.Var):
            first = value not in self.placed
            self.placed.add(value)
            return not first
        return isinstance(value, tirx.Broadcast) and isinstance(value.value, _FREE)

    def _work(self, expression: Any, count: int | None = None) -> None:
        """Count an operation that gives ``expression``."""
        unit = "floats" if "float" in _type(expression) else "integers"
        self.counts[unit] += _registers(expression) if count is None else count

    def _neighbours(self, buffer: Any, indices: Any, value: Any) -> None:
        """Take in an access by the loop's turns: one after another in memory, or all the same place, or else apart."""
        step = self.reader.step(buffer, indices, self.loop)
        bits = int(tvm.DataType(_type(value)).bits) * _lanes(value)
        lanes = VECTOR // bits if step in (0, 1) and bits < VECTOR else 1
        self.together = min(self.together, lanes)

    def statement(self, statement: Any) -> None:
        match statement:
            case tirx.Bind():
                if _is_address(statement.value):
                    self.reader.numbers[statement.var] = self.reader.number(statement.value)
                else:
                    self.any = True
                    self.value(statement.value)
            case tirx.BufferStore():
                self.any = True
                self._store(statement)
            case tirx.Evaluate():
                self.any = True
                self.value(statement.value)
            case tirx.AllocBuffer():
                if str(statement.buffer.scope()) == "local":
                    self.reader.registers.add(statement.buffer)
            case _:
                pass

    def _store(self, statement: Any) -> None:
        if statement.buffer in self.reader.registers:
            place = (statement.buffer, *map(str, statement.indices))
            if _adds_product(statement.value):
                self.sums[place] += 1
            else:
                self.started.add(place)
            if self._is_copy(statement.value):
                self._work(statement.value)
            self.value(statement.value)
            return
        self.value(statement.value)
        self._neighbours(statement.buffer, statement.indices, statement.value)
        if self.reader.step(statement.buffer, statement.indices, self.loop) != 1:
            self.together = 1
        self.counts["stores"] += _registers(statement.value)
        self.arrays.add(statement.buffer)

    def value(self, expression: Any) -> None:
        if isinstance(expression, _FREE):
            return
        count = next((count for kinds, count in _COUNTED if isinstance(expression, kinds)), _Tally._other)
        count(self, expression)

    def _load(self, load: Any) -> None:
        if load.source not in self.reader.registers:
            self.counts["loads"] += _registers(load)
            self._neighbours(load.source, load.indices, load)
            self.arrays.add(load.source)

    def _sum(self, added: Any) -> None:
        if _is_fused(added.a) or _is_fused(added.b):
            # The product, or the sum of neighbours, adds as well.
            self._values(added.a, added.b)
        elif _is_product(added.a) or _is_product(added.b):
            product, other = (added.b, added.a) if _is_product(added.b) else (added.a, added.b)
            self.counts["multiplies"] += _registers(added)
            self._factors(product)
            self.value(other)
        else:
            self._other(added)

    def _product(self, product: Any) -> None:
        if _is_product(product):
            self.counts["multiplies"] += _registers(product)
        else:
            self._work(product)
        self._factors(product)

    def _division(self, division: Any) -> None:
        self.counts["divisions"] += _registers(division)
        self._values(division.a, division.b)

    def _cast(self, cast: Any) -> None:
        if not _only_wraps(cast):
            self._work(cast, max(_registers(cast), _registers(cast.value)))
        self.value(cast.value)

    def _select(self, select: Any) -> None:
        self._work(select)
        self._values(select.condition, select.true_value, select.false_value)

    def _shuffle(self, shuffle: Any) -> None:
        """Lanes in a row are a register's half, or two halves that narrowing fills: nothing is done for them."""
        order = [int(index.value) for index in shuffle.indices]
        if order != list(range(order[0], order[0] + len(order))):
            self._work(shuffle)
        self._values(*shuffle.vectors)

    def _let(self, let: Any) -> None:
        self._values(let.value, let.body)

    def _other(self, expression: Any) -> None:
        """An operation on one value or two."""
        self._work(expression)
        self._values(*(getattr(expression, name) for name in ("a", "b") if hasattr(expression, name)))

    def _values(self, *expressions: Any) -> None:
        for expression in expressions:
            self.value(expression)

    def _factors(self, product: Any) -> None:
        self._factor(product.a)
        self._factor(product.b)

    def _broadcast(self, expression: Any) -> None:
        if isinstance(expression.value, _FREE):
            return
        self._work(expression, 1)
        self.value(expression.value)

    def _call(self, call: Any) -> None:
        name, operands = _called(call)
        if any(word == name for word in _CALLED):
            self.counts["calls"] += _lanes(call)
        elif any(word == name for word in _ROOTS):
            self.counts["divisions"] += _registers(call)
        elif name.rpartition(".")[2] in _PRODUCTS:
            self.counts["multiplies" if "float" in _type(call) else "products"] += _registers(call)
        elif not any(name.startswith(word) or name.endswith(word) for word in _NOTHING):
            self._work(call, max(_registers(call), *(map(_registers, operands)), 1))
        for operand in operands:
            self._factor(operand)

    def _factor(self, factor: Any) -> None:
        """A lane of a vector, or half of such, is taken from it as it is multiplied."""
        inner = _as_it_is(factor)
        lane = isinstance(inner, tirx.Broadcast) and isinstance(inner.value, tirx.Shuffle)
        self.value(inner.value if lane else factor)


_COUNTED: tuple[tuple[Any, Callable[[_Tally, Any], None]], ...] = (
    (TensorLoad, _Tally._load),
    (tirx.Broadcast, _Tally._broadcast),
    ((tirx.Add, tirx.Sub), _Tally._sum),
    (tirx.Mul, _Tally._product),
    (tirx.Div, _Tally._division),
    (tirx.Cast, _Tally._cast),
    (tirx.Select, _Tally._select),
    (tirx.Shuffle, _Tally._shuffle),
    (tirx.Let, _Tally._let),
    (tvm.ir.Call, _Tally._call),
)
"""How each kind of expression is counted."""


def _called(call: Any) -> tuple[str, list[Any]]:
    """A function's or an intrinsic's name without its prefix, and the operands."""
    name = str(getattr(call.op, "name", getattr(call.op, "name_hint", "")))
    operands = list(call.args)
    if "call_llvm" in name:
        return tvm.target.codegen.llvm_get_intrinsic_name(int(operands[0].value)).removeprefix("llvm."), operands[1:]
    if name.endswith(("call_pure_extern", "call_extern")):
        return str(operands[0].value), operands[1:]
    return name.rpartition(".")[2], operands


def _adds_product(value: Any) -> bool:
    if isinstance(value, tirx.Add | tirx.Sub):
        return _is_product(value.a) or _is_product(value.b)
    return isinstance(value, tvm.ir.Call) and _called(value)[0].rpartition(".")[2] in ("sdot", "udot", "smmla")


def _is_product(expression: Any) -> bool:
    return isinstance(expression, tirx.Mul) and "float" in _type(expression)


def _is_fused(expression: Any) -> bool:
    inner = _as_it_is(expression)
    return isinstance(inner, tvm.ir.Call) and _called(inner)[0].rpartition(".")[2] in _FUSED


def _as_it_is(expression: Any) -> Any:
    """What an expression has the bits of: without other names of its type, and halves of it."""
    while True:
        if isinstance(expression, tvm.ir.Call) and _called(expression)[0] == "reinterpret":
            expression = expression.args[0]
        elif isinstance(expression, tirx.Shuffle) and len(expression.vectors) == 1 and len(expression.indices) > 1:
            expression = expression.vectors[0]
        elif isinstance(expression, tirx.Cast) and _only_wraps(expression):
            expression = expression.value
        else:
            return expression


def _only_wraps(cast: Any) -> bool:
    """Tell whether it is from int32 to int64 or back: kernels add so what is to wrap, and it runs in 32 bits."""
    kinds = {_type(cast).partition("x")[0], _type(cast.value).partition("x")[0]}
    return kinds == {"int32", "int64"} and _lanes(cast) > 1


def _is_address(expression: Any) -> bool:
    """Tell whether it is a whole number made of loops' variables and constants."""
    if isinstance(expression, tirx.Cast):
        return _is_whole(expression) and _is_address(expression.value)
    if isinstance(expression, tirx.Var | tirx.IntImm):
        return _is_whole(expression)
    return type(expression) in _OPERATIONS and _is_address(expression.a) and _is_address(expression.b)


def _is_whole(expression: Any) -> bool:
    """Tell whether it is one whole number or truth, as addresses are made of."""
    kind = tvm.DataType(_type(expression))
    return int(kind.lanes) == 1 and not str(kind).startswith(("float", "bfloat", "handle"))


def _registers(expression: Any) -> int:
    kind = tvm.DataType(_type(expression))
    bits = 32 if str(kind).startswith("int64x") else int(kind.bits)
    return max(1, -(-bits * int(kind.lanes) // VECTOR))


def _lanes(expression: Any) -> int:
    return int(tvm.DataType(_type(expression)).lanes)


def _type(expression: Any) -> str:
    return str(expression.ty.dtype)
