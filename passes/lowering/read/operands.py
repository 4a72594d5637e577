"""Read what a lowered network's calls touch: spans of memory, in the order of the calls."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import tvm
from tvm import relax, tirx

from rdpass.core.comparison import Array
from rdpass.passes.lowering.dataflow import operator_of

_TENSOR, _STORAGE = "relax.vm.alloc_tensor", "relax.vm.alloc_storage"
_BEGINNING = 4096
"""Bytes of a constant that are read first."""


@dataclass(frozen=True)
class Span:
    """``bytes`` bytes of the memory called ``place``, from ``offset`` on; they hold ``tensor`` or a part of it."""

    place: Hashable
    offset: int
    bytes: int
    tensor: Hashable = None


@dataclass(frozen=True)
class Operands:
    """Operands of a lowered function.

    Args:
        calls: each call's function and the spans of its operands, in order.
        results: the spans of what the function returns.
        storages: bytes of each block of memory, by its place, in the order in which they are allocated.
        constants: bytes of each constant, by its place; equal ones are one.
    """

    calls: tuple[tuple[str, tuple[Span, ...]], ...]
    results: tuple[Span, ...]
    storages: Mapping[Hashable, int]
    constants: Mapping[Hashable, int]

    @property
    def constant_bytes(self) -> int:
        return sum(self.constants.values())


def read_operands(main: Any) -> Operands:
    """The operands of a function that ``pipeline.lowering`` made."""
    return _Reader(main).read()


class _Reader:
    """Reads the calls of a lowered function, and where in memory each operand lies."""

    def __init__(self, main: Any) -> None:
        self.main = main
        self.spans: dict[Any, tuple[Span, ...]] = {}
        self.storages: dict[Hashable, int] = {}
        self.constants: dict[Hashable, int] = {}
        self.arrays: list[Array] = []
        self.alike: dict[Hashable, list[int]] = {}

    def read(self) -> Operands:
        for parameter in self.main.params:
            self.spans[parameter] = (Span(parameter, 0, _bytes(parameter.ty)),)
        calls = []
        for block in self.main.body.blocks:
            for binding in block.bindings:
                value = binding.value
                if isinstance(value, relax.Call) and isinstance(value.op, relax.GlobalVar):
                    calls.append((value.op.name_hint, tuple(span for each in value.args for span in self._of(each))))
                else:
                    self.spans[binding.var] = self._bound(binding.var, value)
        return Operands(tuple(calls), self._of(self.main.body.body), self.storages, self.constants)

    def _bound(self, variable: Any, value: Any) -> tuple[Span, ...]:
        name = operator_of(value)
        if name == _TENSOR:
            return (Span(value.args[0], int(value.args[1].value), _bytes(variable.ty), variable),)
        if name == _STORAGE:
            self.storages[variable] = prod(int(extent) for extent in value.args[0].values)
            return ()
        if isinstance(value, relax.Call) and value.args:
            spans = self._of(value.args[0])  # what the runtime gives is a view of its first operand
            size = _bytes(variable.ty)
            return tuple(replace(span, bytes=size or span.bytes) for span in spans[:1])
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
            if np.array_equal(self.arrays[place].reshape(-1).view(np.uint8), numbers):
                return Span(place, 0, array.nbytes)
        alike.append(len(self.arrays))
        self.constants[len(self.arrays)] = array.nbytes
        self.arrays.append(array)
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
