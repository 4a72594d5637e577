"""QuantizeLinear, written: a run of numbers of float32 as bytes. The formula is ``kernels.quantization.quantize``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.core.numeric_types import FLOAT32, INT16, INT32, NumericType
from rdpass.kernels.builder.emit import bind, serial
from rdpass.kernels.builder.function import Expr
from rdpass.kernels.builder.intrinsics import llvm
from rdpass.kernels.builder.requantization import narrowed
from rdpass.kernels.quantization import limits
from rdpass.targets.isa import Isa

RUN = 16
"""Bytes that are written together."""

Read = Callable[[Expr, int], Expr]
"""So many numbers, from a place on."""
Write = Callable[[Expr, Expr, int], None]
"""Stores a vector of so many numbers, from a place on."""


@dataclass(frozen=True)
class Quantizer:
    """``scale``: a number of float32; ``zero``: of int32."""

    isa: Isa
    byte: NumericType
    scale: Expr
    zero: Expr

    def run(self, count: int, read: Read, write: Write) -> None:
        """Quantise ``count`` numbers; what is left over behind whole vectors is done with those before it."""
        each_run(
            count, lambda place: self._sixteen(place, read, write), lambda place: self._some(place, 1, read, write)
        )

    def _sixteen(self, place: Expr, read: Read, write: Write) -> None:
        lanes = self.isa.lanes(FLOAT32)
        if not self.isa.by_element:
            for first in range(0, RUN, lanes):
                self._some(place + first, lanes, read, write)
            return
        floats = [bind(self._divided(read(place + first, lanes), lanes)) for first in range(0, RUN, lanes)]
        write(place, narrowed(floats, self.zero), RUN)

    def _some(self, place: Expr, lanes: int, read: Read, write: Write) -> None:
        low, high = limits(self.byte)
        rounded = self._call(FLOAT32, "rint", lanes, self._divided(read(place, lanes), lanes))
        # Saturates, and has 0 for NaN; as int16, so that no sum with the zero overflows.
        whole = bind(tirx.Cast(kind_of(INT32, lanes), self._call(INT16, "fptosi.sat", lanes, rounded)))
        held = T.min(T.max(whole, same(low - self.zero, lanes)), same(high - self.zero, lanes))
        write(place, tirx.Cast(kind_of(self.byte, lanes), held + same(self.zero, lanes)), lanes)

    def _divided(self, value: Expr, lanes: int) -> Expr:
        return value / same(self.scale, lanes)

    def _call(self, numeric: NumericType, name: str, lanes: int, value: Expr) -> Expr:
        return llvm(kind_of(numeric, lanes), name, value)


def each_run(count: int, many: Callable[[Expr], None], one: Callable[[Expr], None]) -> None:
    """Cover ``count`` places by runs of sixteen, the last of which may overlap; fewer than sixteen one by one."""
    if count < RUN:
        with serial(count) as place:
            one(place)
        return
    with serial(count // RUN) as index:
        many(index * RUN)
    if count % RUN:
        many(count - RUN)


def kind_of(numeric: NumericType, lanes: int) -> str:
    """TVM's word for a number, or for a vector of so many."""
    return numeric.value if lanes == 1 else f"{numeric}x{lanes}"


def same(number: Expr, lanes: int) -> Expr:
    """A number, or a vector that holds it so many times."""
    return number if lanes == 1 else T.Broadcast(number, lanes)
