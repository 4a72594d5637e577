"""LLVM's intrinsics and shuffles of vectors, as integer kernels write them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tvm import tirx

from rdpass.kernels.builder.function import Expr


def llvm(kind: str, name: str, *operands: Any) -> Expr:
    """A call of ``llvm.NAME`` that gives a ``kind``, as int32x4."""
    return tirx.call_llvm_pure_intrin(kind, f"llvm.{name}", *operands)


def arm(kind: str, name: str, *operands: Any) -> Expr:
    """An instruction of ARM's vector unit by LLVM's name for it: smull, sdot, fcvtns."""
    return llvm(kind, f"aarch64.neon.{name}", *operands)


def bits_as(kind: str, value: Expr) -> Expr:
    """The same bits as another type."""
    return tirx.reinterpret(kind, value)


def shuffled(vectors: Sequence[Expr], order: Iterable[int]) -> Expr:
    """Lanes of vectors that lie behind one another, by their numbers."""
    return tirx.Shuffle(list(vectors), [tirx.const(index, "int32") for index in order])


def section(vector: Expr, index: int, lanes: int) -> Expr:
    """The ``index``-th ``lanes`` of a vector."""
    return shuffled([vector], range(index * lanes, index * lanes + lanes))


def interleaved(left: Expr, right: Expr, lanes: int) -> Expr:
    """Two vectors of ``lanes`` each, lane by lane in turn."""
    return shuffled([left, right], (index + side * lanes for index in range(lanes) for side in (0, 1)))


def sum_of_fours(total: Expr, left: Expr, right: Expr, lanes: int) -> Expr:
    """VPDPBUSD: each lane of ``total`` and the four products of unsigned and signed bytes that lie under it."""
    return llvm(f"int32x{lanes}", f"x86.avx512.vpdpbusd.{lanes * _BITS}", total, left, right)


def sums_of_twos(left: Expr, right: Expr, lanes: int) -> Expr:
    """PMADDWD: in each lane the two products of int16 that lie under it."""
    return llvm(f"int32x{lanes}", f"x86.{_PMADDWD[lanes]}", left, right)


_BITS = 32
"""Of a lane."""
_PMADDWD = {4: "sse2.pmadd.wd", 8: "avx2.pmadd.wd", 16: "avx512.pmaddw.d.512"}
"""By lanes."""
