"""Find functions of one byte: what leads from a map of bytes to another through elementwise operators alone.

An activation between two quantisations, the sigmoid and the product of a SiLU with all the roundings between, a map on
another scale: whatever it is, 256 numbers say it. The table is what the network computes for each byte: operators in
float64 from the numbers meant, every rounding in between as the network has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import erf
from typing import Any

import numpy as np
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32, NumericType
from rdpass.kernels.machine import Machine
from rdpass.kernels.quantization import limits
from rdpass.kernels.workload.lookup import Lookup
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, shape_of
from rdpass.passes.lowering.match.find_activations import clip_bounds
from rdpass.passes.lowering.match.integer_parts import Found, byte_types
from rdpass.passes.lowering.match.quantized import Scaled, dequantized, quantized, shift_to

_UNARY: dict[str, Callable[[Array], Array]] = {
    "relax.nn.relu": lambda x: np.maximum(x, 0),
    "relax.sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relax.nn.silu": lambda x: x / (1 + np.exp(-x)),
    "relax.nn.gelu": lambda x: x * 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2))),
    "relax.erf": np.vectorize(erf, otypes=[float]),
    "relax.tanh": np.tanh,
    "relax.exp": np.exp,
    "relax.log": np.log,
    "relax.sqrt": np.sqrt,
    "relax.abs": np.abs,
    "relax.negative": np.negative,
    "relax.round": np.rint,
    "relax.floor": np.floor,
    "relax.ceil": np.ceil,
}
_BOUNDED = ("relax.clip", "relax.nn.leakyrelu")
_BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "relax.add": np.add,
    "relax.subtract": np.subtract,
    "relax.multiply": np.multiply,
    "relax.divide": np.divide,
    "relax.maximum": np.maximum,
    "relax.minimum": np.minimum,
    "relax.power": np.power,
}


def find_lookups(flow: Dataflow, machine: Machine) -> Iterator[Found]:
    """The largest ones; no variable is in two of them."""
    taken: set[Any] = set()
    for variable, _ in reversed(flow.bindings):
        found = None if variable in taken else _lookup(flow, variable, machine)
        if found is not None:
            taken.update((found.root, *found.inside))
            yield found


def _lookup(flow: Dataflow, root: Any, machine: Machine) -> Found | None:
    output, shape = quantized(flow, root), shape_of(root)
    if output is None or shape is None or len(shape) not in (2, 4):
        return None
    call: Any = flow.value(root)
    cone = _Cone(flow, shape)
    if not cone.takes(call.args[0]) or cone.source is None or not cone.is_closed(root):
        return None
    work = Lookup(shape[0], shape[1], int(np.prod(shape[2:], dtype=int)), byte_types(machine))
    table = _table(flow, cone, call.args[0], output, machine.isa.byte)
    return Found(root, cone.source.variable, work, tuple(cone.inside), None, (table,))


@dataclass
class _Cone:
    """The operators that lead from one map of bytes, ``source``, to a value; ``inside``: their variables."""

    flow: Dataflow
    shape: tuple[int, ...]
    source: Scaled | None = None
    inside: dict[Any, None] = field(default_factory=dict)

    def takes(self, expression: Any) -> bool:
        """Add what leads to ``expression``; False where that is more than one map, or another operator."""
        array = array_of(expression)
        if array is not None:
            return bool(array.size == 1)
        if not isinstance(expression, relax.Var) or shape_of(expression) != self.shape:
            return False
        if expression in self.inside:
            return True
        self.inside[expression] = None
        source = dequantized(self.flow, expression)
        if source is not None:
            return self._reaches(source)
        call: Any = self.flow.value(expression)
        operands = 2 if operator_of(call) in _BINARY else 1 if operator_of(call) in (*_UNARY, *_BOUNDED) else 0
        return operands > 0 and all(self.takes(argument) for argument in list(call.args)[:operands])

    def _reaches(self, source: Scaled) -> bool:
        """The map itself, or one that is a function of it, which is then taken in."""
        inner = quantized(self.flow, source.variable)
        if self.source is not None and self.source.variable.same_as(source.variable):
            return True
        if inner is not None and self.source is not None:
            # A second map: it has to come from the first.
            self.inside[source.variable] = None
            call: Any = self.flow.value(source.variable)
            return self.takes(call.args[0])
        if self.source is not None:
            return False
        self.source = source
        return True

    def is_closed(self, root: Any) -> bool:
        """Tell whether nobody else reads what is inside."""
        readers = (reader for variable in self.inside for reader in self.flow.readers[variable])
        unseen = self.flow.results.isdisjoint(self.inside)
        return unseen and all(reader in self.inside or reader.same_as(root) for reader in readers)


def rescaling_table(source: Scaled, output: Scaled, byte: NumericType) -> Array:
    """The table that brings bytes to another scale."""
    return _tabled(source, output, byte, lambda meant: _meant(meant, source))


def _table(flow: Dataflow, cone: _Cone, value: Any, output: Scaled, byte: NumericType) -> Array:
    source = cone.source
    assert source is not None

    def of(meant: Array) -> Array:
        values: dict[Any, Array] = {}

        def compute(expression: Any) -> Array:
            array = array_of(expression)
            if array is not None:
                return array.astype(np.float64).reshape(())
            if expression not in values:
                values[expression] = _computed(flow, expression, source, meant, compute)
            return values[expression]

        return compute(value)

    return _tabled(source, output, byte, of)


def _tabled(source: Scaled, output: Scaled, byte: NumericType, of: Callable[[Array], Array]) -> Array:
    """The output's bytes by the bits of the input's, both as kept; ``of``: numbers, given bytes as they are meant."""
    low, _ = limits(byte)
    kept = np.arange(low, low + 256)
    with np.errstate(all="ignore"):
        written = _rounded(of(kept - shift_to(source.byte, byte)), output) + shift_to(output.byte, byte)
    table = np.empty(256, byte.value)
    table[kept.astype(byte.value).view(np.uint8)] = written
    return table


def _meant(whole: Array, read: Scaled) -> Array:
    """The numbers that bytes stand for."""
    return np.asarray(((whole - read.zero).astype(FLOAT32) * read.scale).astype(np.float64))


def _computed(flow: Dataflow, variable: Any, source: Scaled, meant: Array, compute: Callable[[Any], Array]) -> Array:
    read = dequantized(flow, variable)
    if read is not None:
        whole = meant if read.variable.same_as(source.variable) else _quantized(flow, read, compute)
        return _meant(whole, read)
    call: Any = flow.value(variable)
    name = operator_of(call)
    if name == "relax.clip":
        low, high = clip_bounds(call)
        return np.clip(compute(call.args[0]), low, high)
    if name == "relax.nn.leakyrelu":
        x = compute(call.args[0])
        return np.where(x > 0, x, x * float(call.attrs.alpha))
    operands = [compute(argument) for argument in call.args]
    result = _UNARY[name](*operands) if name in _UNARY else _BINARY[name](*operands)
    return np.asarray(result, np.float64)


def _quantized(flow: Dataflow, read: Scaled, compute: Callable[[Any], Array]) -> Array:
    given = quantized(flow, read.variable)
    call: Any = flow.value(read.variable)
    assert given is not None
    return _rounded(compute(call.args[0]), given)


def _rounded(value: Array, output: Scaled) -> Array:
    """Numbers as the output's bytes, as ONNX defines it."""
    low, high = limits(output.byte)
    steps = np.rint(value.astype(FLOAT32) / output.scale).astype(np.float64)
    return np.asarray(np.clip(np.nan_to_num(steps, nan=0.0) + output.zero, low, high).astype(np.int64))
