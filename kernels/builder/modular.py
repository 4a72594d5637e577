"""Vectors of int32 that wrap: sums and products modulo 2^32, which LLVM must not take for sums that never overflow.

TVM writes additions of int32 as such that do not. So each is written in 64 bits and cut off, which LLVM turns into one
instruction of 32 bits that wraps.
"""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.script.ir_builder import tirx as T

from rdpass.kernels.builder.emit import bind
from rdpass.kernels.builder.function import Expr


@dataclass(frozen=True)
class Modular:
    """A vector of ``lanes`` int32."""

    value: Expr
    lanes: int

    def __add__(self, other: Modular) -> Modular:
        return self._cut(self._wide() + other._wide())

    def __sub__(self, other: Modular) -> Modular:
        return self._cut(self._wide() - other._wide())

    def times(self, factor: int) -> Modular:
        """The product with a number."""
        return self._cut(self._wide() * T.Broadcast(tirx.const(factor, "int64"), self.lanes))

    def _wide(self) -> Expr:
        return tirx.Cast(f"int64x{self.lanes}", self.value)

    def _cut(self, value: Expr) -> Modular:
        return Modular(bind(tirx.Cast(f"int32x{self.lanes}", value)), self.lanes)
