"""The instructions of a block: statements in a row, with no loop or branch between them.

1. What it does is counted by the units of a core that do it. Vectors of more than 128 bits are several; a sum of a
   product is one instruction.
2. Local arrays are registers: reading and writing them is free. Addresses are a few instructions a block.
3. A loop over single numbers, as TVM's own functions have, is one over vectors where LLVM makes it so: neighbours in
   memory are read and written by neighbouring turns, and no sum runs through them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import tvm
from tvm import tirx
from tvm.ir.expr import TensorLoad

from rdpass.profiling.account.scope import Scope, is_address

VECTOR = 128
"""Bits of a register."""


@dataclass(frozen=True)
class Block:
    """Instructions of one run of a block, by the unit that does them.

    ``multiplies``: of floats, added to something or not. ``floats``: all else on floats. ``products``: multiplies of
    whole numbers that widen. ``integers``: all else on vectors of whole numbers. ``chain``: the longest row of
    multiplies that each wait for the one before, from one run to the next. ``divisions``: divisions and roots.
    ``calls``: of functions of the C library, one a number. ``pointers``: arrays it reads or writes. ``companions``: of
    loops written as assembly, what their authors put beside a product: loads of 64 bits, inserts, whole numbers.
    ``halves``: of the loads, those of vectors of 64 bits or less. ``pairs``: of the integers, sums of neighbours.
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
    companions: int = 0
    halves: int = 0
    pairs: int = 0
    in_loop: bool = False

    @property
    def overhead(self) -> int:
        """An address for each array, and the counter and branch of a loop."""
        return self.pointers + (2 if self.in_loop else 0)

    @property
    def instructions(self) -> int:
        """All of one run, a call of the C library as one."""
        vectors = self.multiplies + self.floats + self.products + self.integers
        return vectors + self.loads + self.stores + self.divisions + self.calls + self.companions + self.overhead


_FREE = (tirx.Var, tirx.IntImm, tirx.FloatImm, tirx.Ramp)
_CALLED = ("exp", "exp2", "exp10", "log", "log2", "log1p", "tanh", "erf", "pow", "sin", "cos", "tan", "atan", "sigmoid")
_ROOTS = ("sqrt", "rsqrt", "fdiv")
_EXTERN = ("call_pure_extern", "call_extern")
_PRODUCTS = ("smull", "umull", "pmull", "sqdmulh", "sqrdmulh", "fmulx", "fma", "fmuladd")
_PAIRS = ("saddlp", "uaddlp")
_FUSED = ("smull", "umull", *_PAIRS)
"""What adds to a sum in the same instruction: SMLAL, SADALP."""
_TABLE = re.compile(r"\btb[lx]([1-4])$")
"""A look-up takes as long as there are registers in its table."""
_NOTHING = ("reinterpret", "vector.extract", "likely", "address_of", "bitcast")


_UNITS = (
    "multiplies", "floats", "products", "integers", "loads", "stores", "divisions", "calls", "halves", "pairs",
)  # fmt: skip


class Tally:
    """Counts the statements of one block, in the body of the loop over ``loop``. ``together``: turns that one
    instruction does."""

    def __init__(self, scope: Scope, loop: Any) -> None:
        self.scope, self.loop = scope, loop
        self.counts: Counter[str] = Counter()
        self.sums: Counter[Any] = Counter()
        self.started: set[Any] = set()
        self.arrays: set[Any] = set()
        self.placed: set[Any] = set()
        self.any = False
        self.together = VECTOR

    def block(self) -> tuple[Block, int] | None:
        """What was counted, and the turns of its loop that one run does; None where nothing is done."""
        if not self.any:
            return None
        counted = {name: self.counts[name] for name in _UNITS}
        turns = 1 if self.together == VECTOR else self.together
        counted["calls"] *= turns
        chain = max((count for place, count in self.sums.items() if place not in self.started), default=0)
        return Block(**counted, chain=chain, pointers=len(self.arrays), in_loop=self.loop is not None), turns

    def _is_copy(self, value: Any) -> bool:
        """Tell whether it is one constant, or a vector that lies in a register already: what sums start from."""
        if type(value) is tirx.Var:
            first = value not in self.placed
            self.placed.add(value)
            return not first
        return type(value) is tirx.Broadcast and type(value.value) in _FREE

    def _work(self, expression: Any, count: int | None = None) -> None:
        """Count an operation that gives ``expression``."""
        unit = "floats" if "float" in _type(expression) else "integers"
        self.counts[unit] += _registers(expression) if count is None else count

    def _neighbours(self, buffer: Any, indices: Any, value: Any) -> None:
        """Take in an access by the loop's turns: one after another in memory, or all the same place, or else apart."""
        step = self.scope.step(buffer, indices, self.loop)
        form = _form(_type(value))
        bits = form.bits * form.lanes
        lanes = VECTOR // bits if step in (0, 1) and bits < VECTOR else 1
        self.together = min(self.together, lanes)

    def statement(self, statement: Any) -> None:
        _STATEMENTS.get(type(statement), _nothing)(self, statement)

    def _bind(self, bind: Any) -> None:
        if is_address(bind.value):
            self.scope.numbers[bind.var] = self.scope.number(bind.value)
        else:
            self._evaluate(bind)

    def _evaluate(self, statement: Any) -> None:
        self.any = True
        self.value(statement.value)

    def _allocate(self, allocation: Any) -> None:
        if str(allocation.buffer.scope()) == "local":
            self.scope.registers.add(allocation.buffer)

    def _store(self, statement: Any) -> None:
        self.any = True
        if statement.buffer in self.scope.registers:
            place = (statement.buffer, *map(_place, statement.indices))
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
        if self.scope.step(statement.buffer, statement.indices, self.loop) != 1:
            self.together = 1
        self.counts["stores"] += _registers(statement.value)
        self.arrays.add(statement.buffer)

    def value(self, expression: Any) -> None:
        _COUNTED.get(type(expression), Tally._other)(self, expression)

    def _load(self, load: Any) -> None:
        if load.source not in self.scope.registers:
            self.counts["loads"] += _registers(load)
            self.counts["halves"] += _is_half(load)
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
        first = shuffle.indices[0].value
        if any(index.value != first + place for place, index in enumerate(shuffle.indices)):
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
        if type(expression.value) in _FREE:
            return
        self._work(expression, 1)
        self.value(expression.value)

    def _call(self, call: Any) -> None:
        name, operands = _name(call), _operands(call)
        if name in _CALLED:
            self.counts["calls"] += _lanes(call)
        elif name in _ROOTS:
            self.counts["divisions"] += _registers(call)
        elif name.rpartition(".")[2] in _PRODUCTS:
            self.counts["multiplies" if "float" in _type(call) else "products"] += _registers(call)
        elif table := _TABLE.search(name):
            self._work(call, int(table[1]) * _registers(call))
        elif not any(name.startswith(word) or name.endswith(word) for word in _NOTHING):
            self._work(call, max(_registers(call), *(map(_registers, operands)), 1))
            self.counts["pairs"] += _registers(call) if name.rpartition(".")[2] in _PAIRS else 0
        for operand in operands:
            self._factor(operand)

    def _factor(self, factor: Any) -> None:
        """A lane of a vector, or half of such, is taken from it as it is multiplied."""
        inner = _as_it_is(factor)
        lane = type(inner) is tirx.Broadcast and type(inner.value) is tirx.Shuffle
        self.value(inner.value if lane else factor)


def _nothing(tally: Tally, expression: Any) -> None:
    pass


_COUNTED: Mapping[type, Callable[[Tally, Any], None]] = {
    **dict.fromkeys(_FREE, _nothing),
    TensorLoad: Tally._load,
    tirx.Broadcast: Tally._broadcast,
    tirx.Add: Tally._sum,
    tirx.Sub: Tally._sum,
    tirx.Mul: Tally._product,
    tirx.Div: Tally._division,
    tirx.Cast: Tally._cast,
    tirx.Select: Tally._select,
    tirx.Shuffle: Tally._shuffle,
    tirx.Let: Tally._let,
    tvm.ir.Call: Tally._call,
}
"""How each kind of expression is counted: by its class, which has no others under it."""

_STATEMENTS: Mapping[type, Callable[[Tally, Any], None]] = {
    tirx.Bind: Tally._bind,
    tirx.BufferStore: Tally._store,
    tirx.Evaluate: Tally._evaluate,
    tirx.AllocBuffer: Tally._allocate,
}
"""How each kind of statement is counted."""


def _place(index: Any) -> Any:
    """A name of a place in an array of registers: equal for equal ones."""
    if type(index) is tirx.Ramp:
        return _place(index.base), _place(index.stride), _place(index.lanes)
    return int(index.value) if type(index) is tirx.IntImm else str(index)


def _name(call: Any) -> str:
    """A function's or an intrinsic's name without its prefix."""
    name = _callee(call)
    if "call_llvm" in name:
        return _intrinsic(int(call.args[0].value))
    if name.endswith(_EXTERN):
        return str(call.args[0].value)
    return name.rpartition(".")[2]


def _operands(call: Any) -> list[Any]:
    """The operands, without a name that is the first."""
    name = _callee(call)
    return list(call.args)[1 if "call_llvm" in name or name.endswith(_EXTERN) else 0 :]


def _callee(call: Any) -> str:
    return str(getattr(call.op, "name", None) or getattr(call.op, "name_hint", ""))


@cache
def _intrinsic(number: int) -> str:
    """The name of one of LLVM's."""
    return str(tvm.target.codegen.llvm_get_intrinsic_name(number)).removeprefix("llvm.")


def _adds_product(value: Any) -> bool:
    if type(value) is tirx.Add or type(value) is tirx.Sub:
        return _is_product(value.a) or _is_product(value.b)
    return type(value) is tvm.ir.Call and _name(value).rpartition(".")[2] in ("sdot", "udot", "smmla")


def _is_product(expression: Any) -> bool:
    return type(expression) is tirx.Mul and "float" in _type(expression)


def _is_fused(expression: Any) -> bool:
    inner = _as_it_is(expression)
    return type(inner) is tvm.ir.Call and _name(inner).rpartition(".")[2] in _FUSED


def _as_it_is(expression: Any) -> Any:
    """What an expression has the bits of: without other names of its type, and halves of it."""
    while True:
        if type(expression) is tvm.ir.Call and _name(expression) == "reinterpret":
            expression = expression.args[0]
        elif type(expression) is tirx.Shuffle and len(expression.vectors) == 1 and len(expression.indices) > 1:
            expression = expression.vectors[0]
        elif type(expression) is tirx.Cast and _only_wraps(expression):
            expression = expression.value
        else:
            return expression


def _only_wraps(cast: Any) -> bool:
    """Tell whether it is from int32 to int64 or back: kernels add so what is to wrap, and it runs in 32 bits."""
    kinds = {_type(cast).partition("x")[0], _type(cast.value).partition("x")[0]}
    return kinds == {"int32", "int64"} and _lanes(cast) > 1


def _registers(expression: Any) -> int:
    return _form(_type(expression)).registers


def _is_half(load: Any) -> bool:
    """Tell whether it is a vector that fills no more than half a register."""
    form = _form(_type(load))
    return form.lanes > 1 and 2 * form.bits * form.lanes <= VECTOR


def _lanes(expression: Any) -> int:
    return _form(_type(expression)).lanes


class _Form(NamedTuple):
    """Of a type: the bits of a number, the lanes, and the registers that it takes."""

    bits: int
    lanes: int
    registers: int


@cache
def _form(name: str) -> _Form:
    kind = tvm.DataType(name)
    bits, lanes = int(kind.bits), int(kind.lanes)
    held = 32 if name.startswith("int64x") else bits
    return _Form(bits, lanes, max(1, -(-held * lanes // VECTOR)))


def _type(expression: Any) -> str:
    return str(expression.ty.dtype)
