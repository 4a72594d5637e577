"""Read a lowered network as what a program without any runtime does: calls of functions on tensors in known places.

1. Tensors are inputs, outputs, constants, or maps that the program has to find room for.
2. Reshapes, aliases, tuples and their fields are other names of tensors, and leave nothing to do. A part of a map that
   lies inside it is a place there.
3. What the network returns is written where the caller wants it. Where that can't be (an input or a constant is
   returned, or one map twice), it is copied there in the end.

Anything else is refused by name: it would need the virtual machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal

import tvm
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.passes.lowering.dataflow import operator_of
from rdpass.passes.lowering.memory.plan_arena import ALLOCATE, VIEW

_RESHAPE = "relax.reshape"


@dataclass(frozen=True)
class Place:
    """A tensor: the ``index``-th input, output, constant or map, or what begins at byte ``offset`` of it."""

    kind: Literal["input", "output", "constant", "map"]
    index: int
    offset: int = 0


@dataclass(frozen=True)
class Call:
    """A call of ``function`` on tensors."""

    function: str
    operands: tuple[Place, ...]


@dataclass(frozen=True)
class Copy:
    """``bytes`` bytes from one tensor to another."""

    source: Place
    destination: Place
    bytes: int


@dataclass(frozen=True)
class CallSequence:
    """Calls, then copies. ``maps`` are the sizes of the maps in bytes; those that became outputs are not touched."""

    calls: tuple[Call, ...]
    copies: tuple[Copy, ...]
    maps: tuple[int, ...]
    constants: tuple[Array, ...]


def find_calls(module: tvm.IRModule) -> CallSequence:
    """The calls of a module that ``pipeline.lowering_to_calls`` made.

    Raises:
        ConfigError: the network does something else, which is named.
    """
    return _Reader(module["main"]).read()


class _Reader:
    """Reads one function; ``names`` holds what its variables stand for, a place or a tuple of such."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.names: dict[Any, Any] = {v: Place("input", i) for i, v in enumerate(function.params)}
        self.calls: list[Call] = []
        self.maps: list[int] = []
        self.constants: dict[bytes, tuple[Place, Array]] = {}

    def read(self) -> CallSequence:
        for block in self.function.body.blocks:
            for binding in block.bindings:
                if not isinstance(binding, relax.VarBinding):
                    raise _refusal(type(binding).__name__)
                self.names[binding.var] = self._value(binding.value)
        calls, copies = _written_out(self.calls, self._results())
        constants = tuple(array for _, array in self.constants.values())
        return CallSequence(tuple(calls), tuple(copies), tuple(self.maps), constants)

    def _value(self, value: Any) -> Any:
        name = operator_of(value)
        if name == ALLOCATE:
            self.maps.append(tensor_bytes(value.ty))
            return Place("map", len(self.maps) - 1)
        if name == _RESHAPE:
            return self._value(value.args[0])
        if name == VIEW:
            place = self._value(value.args[0])
            return replace(place, offset=place.offset + int(value.args[3].value))
        if isinstance(value, relax.Call):
            return self._call(value)
        if isinstance(value, relax.Tuple):
            return tuple(self._value(field) for field in value.fields)
        if isinstance(value, relax.TupleGetItem):
            return self._value(value.tuple_value)[value.index]
        if isinstance(value, relax.Var):
            return self.names[value]
        if isinstance(value, tvm.ir.GenericConst) and isinstance(value.value, tvm.runtime.Tensor):
            return self._constant(value.value.numpy())
        raise _refusal(type(value).__name__)

    def _call(self, call: Any) -> tuple[()]:
        if not isinstance(call.op, relax.GlobalVar):
            raise _refusal(operator_of(call) or str(getattr(call.op, "global_symbol", call.op)))
        operands = [self._value(argument) for argument in call.args]
        if not all(isinstance(operand, Place) for operand in operands):
            raise _refusal(f"{call.op.name_hint}, called with something that is no tensor,")
        self.calls.append(Call(call.op.name_hint, tuple(operands)))
        return ()

    def _constant(self, array: Array) -> Place:
        """Equal bytes are stored once."""
        place = Place("constant", len(self.constants))
        return self.constants.setdefault(array.tobytes(), (place, array))[0]

    def _results(self) -> list[tuple[Place, int]]:
        """The results, and their bytes."""
        result = self.function.body.body
        found = self._value(result)
        kinds = result.ty.fields if isinstance(found, tuple) else [result.ty]
        places = found if isinstance(found, tuple) else (found,)
        if not all(isinstance(place, Place) for place in places):
            raise _refusal("a tuple within the tuple of outputs")
        return [(place, tensor_bytes(kind)) for place, kind in zip(places, kinds, strict=True)]


def tensor_bytes(kind: Any) -> int:
    """Bytes of a tensor of a Relax type.

    Raises:
        ConfigError: its shape is not static.
    """
    extents: list[Any] = [None]
    if isinstance(kind, relax.TensorType) and kind.shape is not None:
        extents = list(kind.shape.values)
    if not all(isinstance(extent, int | tvm.tirx.IntImm) for extent in extents):
        raise _refusal(f"a tensor of unknown size ({kind})")
    dtype = tvm.DataType(str(kind.dtype))
    return prod(int(extent) for extent in extents) * int(dtype.bits) * int(dtype.lanes) // 8


def _written_out(calls: Sequence[Call], results: Sequence[tuple[Place, int]]) -> tuple[list[Call], list[Copy]]:
    """The calls with the maps that are returned written to the outputs, and the copies that are left to do."""
    renamed: dict[Place, Place] = {}
    copies = []
    for index, (place, size) in enumerate(results):
        output = Place("output", index)
        if place.kind == "map" and place not in renamed:
            renamed[place] = output
        else:
            copies.append(Copy(renamed.get(place, place), output, size))
    written = (tuple(renamed.get(place, place) for place in call.operands) for call in calls)
    return [replace(call, operands=operands) for call, operands in zip(calls, written, strict=True)], copies


def _refusal(what: str) -> ConfigError:
    return ConfigError(f"the network has {what}, which needs TVM's virtual machine; use --runtime vm")
