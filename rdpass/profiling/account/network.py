"""The account of a lowered network: what its calls take on one core, its memory and its weights.

    time = sum over the calls of (cycles of their blocks + the runtime's share) / clock + bytes from memory / bandwidth

Cycles come from the loops of the very functions that would be compiled (``loops``, ``core_times``), bytes from what the
calls touch (``traffic``), the peak from the very plan of memory. The two terms of time do not overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from rdpass.core.comparison import Array
from rdpass.core.errors import TargetError
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.passes.lowering.dataflow import operator_of
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.passes.lowering.rewrite.place_kernels import FROM_MEMORY
from rdpass.profiling.account.core_times import core_times
from rdpass.profiling.account.loops import count
from rdpass.profiling.account.traffic import Span, missed_bytes
from rdpass.targets.target import Target

_TENSOR, _STORAGE, _VIEW = "relax.vm.alloc_tensor", "relax.vm.alloc_storage", "relax.memory.view"


@dataclass(frozen=True)
class Account:
    """One inference on one core of a target, estimated.

    Args:
        ms: milliseconds.
        cycles: of the core, no cache missed.
        dram_bytes: that come from memory.
        peak_bytes: planned: blocks of activations, outputs and the largest workspace of one function; the input is the
            caller's.
        weight_bytes: packed constants, equal ones once.
        code_bytes: of the library beside these.
        calls: how many functions run.
        functions: cycles of all calls of each function.
    """

    ms: float
    cycles: float
    dram_bytes: int
    peak_bytes: int
    weight_bytes: int
    code_bytes: int
    calls: int
    functions: Mapping[str, float]


@without_tvm_lines()
def account_of(lowered: tvm.IRModule, target: Target) -> Account:
    """The account of a module that ``pipeline.lowering`` made for ``target``.

    Raises:
        TargetError: a figure of the target's is not known.
    """
    if not (target.clock_ghz and target.dram_gbps):
        raise TargetError(f"target {target.name} has no clock_ghz or dram_gbps to estimate times with")
    times = core_times(target)
    calls, constants = _Reader(lowered["main"]).read()
    runs = Counter(name for name, _ in calls)
    counts = {
        variable.name_hint: count(function)
        for variable, function in lowered.functions_items()
        if isinstance(function, tirx.PrimFunc) and runs[variable.name_hint]
    }
    functions = {
        name: runs[name] * sum(often * times.cycles(block) for block, often in found.blocks.items())
        for name, found in counts.items()
    }
    cycles = sum(functions.values()) + len(calls) * times.dispatch
    dram = missed_bytes([spans for _, spans in calls], target.last_cache_bytes)
    dram += sum(_read_again(lowered[name], spans) for name, spans in calls)
    memory = planned_memory(lowered)
    return Account(
        ms=cycles / target.clock_ghz / 1e6 + dram / target.dram_gbps / 1e6,
        cycles=cycles,
        dram_bytes=dram,
        peak_bytes=memory.activations + memory.workspace,
        weight_bytes=constants,
        code_bytes=_code_bytes([found.instructions for found in counts.values()], len(calls)),
        calls=len(calls),
        functions=functions,
    )


_BEGINNING = 4096
"""Bytes of a constant that are read first."""

_INSTRUCTION = 4
_FUNCTION = 3900
"""Bytes of a function beside its loops: what it checks its arguments with, and its name and constants."""
_CALL = 840
"""Bytes that the runtime reads of a call."""
_EMPTY = 49_000
"""Bytes of a library without any function."""


def _code_bytes(instructions: Sequence[int], calls: int) -> int:
    """Of a library beside its weights; ``instructions``: of each function once, however often it is called."""
    return _EMPTY + _INSTRUCTION * sum(instructions) + _FUNCTION * len(instructions) + _CALL * calls


def _read_again(function: Any, spans: Sequence[Span]) -> int:
    """Bytes that a kernel of ours reads from memory beyond each operand once: weights that do not stay in the cache."""
    attributes = dict(function.attrs or {})
    if FROM_MEMORY not in attributes:
        return 0
    once = sum(span.bytes for span in spans[:-1])  # the last one is the workspace
    return max(0, int(attributes[FROM_MEMORY]) - once)


class _Reader:
    """Reads the calls of a lowered function, and where in memory each operand lies."""

    def __init__(self, main: Any) -> None:
        self.main = main
        self.spans: dict[Any, tuple[Span, ...]] = {}
        self.constants: list[Array] = []
        self.alike: dict[Hashable, list[int]] = {}

    def read(self) -> tuple[list[tuple[str, list[Span]]], int]:
        """Each call's function and spans, in order; and the bytes of all constants."""
        for parameter in self.main.params:
            self.spans[parameter] = (Span(parameter, 0, _bytes(parameter.ty)),)
        calls = []
        for block in self.main.body.blocks:
            for binding in block.bindings:
                value = binding.value
                if isinstance(value, relax.Call) and isinstance(value.op, relax.GlobalVar):
                    calls.append((value.op.name_hint, [span for each in value.args for span in self._of(each)]))
                else:
                    self.spans[binding.var] = self._bound(binding.var, value)
        return calls, sum(array.nbytes for array in self.constants)

    def _bound(self, variable: Any, value: Any) -> tuple[Span, ...]:
        name = operator_of(value)
        if name == _TENSOR:
            return (Span(value.args[0], int(value.args[1].value), _bytes(variable.ty)),)
        if isinstance(value, relax.Call) and name not in (_STORAGE,) and value.args:
            spans = self._of(value.args[0])  # what the runtime gives is a view of its first operand
            size = _bytes(variable.ty)
            return tuple(Span(span.place, span.offset, size or span.bytes) for span in spans[:1])
        return self._of(value)

    def _of(self, value: Any) -> tuple[Span, ...]:
        if isinstance(value, relax.Var):
            return self.spans.get(value, ())
        if isinstance(value, relax.Tuple):
            return tuple(span for each in value.fields for span in self._of(each))
        if isinstance(value, relax.TupleGetItem):
            spans = self._of(value.tuple_value)
            return spans[value.index : value.index + 1]
        if isinstance(value, tvm.ir.GenericConst) and isinstance(value.value, tvm.runtime.Tensor):
            return (self._constant(value.value),)
        return ()

    def _constant(self, tensor: Any) -> Span:
        """Where it lies: equal ones in one place. Most differ in what they begin with; the rest is read for few."""
        array = np.from_dlpack(tensor)
        numbers = array.reshape(-1).view(np.uint8)
        alike = self.alike.setdefault((array.shape, array.dtype, numbers[:_BEGINNING].tobytes()), [])
        for place in alike:
            if np.array_equal(self.constants[place].reshape(-1).view(np.uint8), numbers):
                return Span(place, 0, array.nbytes)
        alike.append(len(self.constants))
        self.constants.append(array)
        return Span(alike[-1], 0, array.nbytes)


def _bytes(kind: Any) -> int:
    """Of a tensor of static shape; 0 for anything else."""
    if not isinstance(kind, relax.TensorType) or kind.shape is None:
        return 0
    extents = list(getattr(kind.shape, "values", ()))
    if not all(isinstance(extent, int | tirx.IntImm) for extent in extents):
        return 0
    dtype = tvm.DataType(str(kind.dtype))
    return prod(int(extent) for extent in extents) * int(dtype.bits) * int(dtype.lanes) // 8
