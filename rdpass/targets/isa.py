"""The instruction sets that kernels are written in: vectors, registers, and what multiplies which numeric types.

One table, from a target's features to its instructions. Features are in the words of Linux's ``/proc/cpuinfo``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdpass.core.numeric_types import FLOAT16, FLOAT32, INT8, INT32, UINT8, NumericType, NumericTypes
from rdpass.targets.features import Feature
from rdpass.targets.target import Target

BYTE_BLOCK = 16
"""Channels of a block of bytes, on every instruction set."""


@dataclass(frozen=True)
class Multiply:
    """An instruction, or a short run of them, that multiplies and sums.

    ``depth``: products that one sum takes at once. ``pixels``: how many share a vector of inputs. ``feature``: what a
    CPU needs besides the base instruction set.
    """

    name: str
    input: NumericType
    weight: NumericType
    accumulator: NumericType
    depth: int = 1
    pixels: int = 1
    feature: Feature | None = None

    @property
    def instruction(self) -> str:
        """The name without that of its vectors: FMLA, SDOT."""
        return self.name.replace(" z.", " .").partition(" .")[0]


@dataclass(frozen=True)
class Vector:
    """A register full of numbers."""

    numeric: NumericType
    lanes: int

    def __str__(self) -> str:
        """TVM's word for it: float32x4."""
        return f"{self.numeric}x{self.lanes}"


@dataclass(frozen=True)
class Isa:
    """A vector unit.

    ``registers``: architectural vectors, of ``vector_bytes`` each. ``by_element``: a multiply-accumulate can take one
    lane of a register as its scalar (ARM's FMLA by element); where it can't, the scalar is broadcast as it is loaded.
    ``multiplies``: what there is to multiply with, the fastest first. ``scalable``: each core has vectors of a width of
    its own, ``vector_bytes`` or a multiple of it. ``in_order``: the core starts instructions in the order in which they
    stand, two at once where they may be.

    Example:
        >>> ASIMD.lanes(FLOAT32), ASIMD.computes(NumericTypes(FLOAT16, FLOAT16, FLOAT16, FLOAT16))
        (4, False)
    """

    name: str
    vector_bytes: int
    registers: int
    by_element: bool
    multiplies: tuple[Multiply, ...]
    scalable: bool = False
    in_order: bool = False

    def lanes(self, numeric: NumericType) -> int:
        """Numbers of one vector; where they are scalable, of the narrowest."""
        return self.vector_bytes // numeric.bytes

    def vector(self, numeric: NumericType) -> Vector:
        """A register full of such numbers."""
        return Vector(numeric, self.lanes(numeric))

    def block(self, numeric: NumericType) -> int:
        """Channels of one block of activations: a vector's, of bytes always sixteen.

        Sixteen bytes are a vector of the narrowest sets, and wide ones sum four of them in each lane of an accumulator.
        """
        return BYTE_BLOCK if numeric.bytes == 1 else self.lanes(numeric)

    @property
    def byte(self) -> NumericType:
        """The type of bytes that it multiplies as activations: maps of the other one are shifted by 128."""
        return next(m.input for m in self.multiplies if m.input.bytes == 1)

    def multiply(self, types: NumericTypes) -> Multiply | None:
        """The fastest way to multiply and sum such numbers; None where there is none."""
        wanted = types.input, types.weight, types.accumulator
        return next((m for m in self.multiplies if (m.input, m.weight, m.accumulator) == wanted), None)

    def computes(self, types: NumericTypes) -> bool:
        return self.multiply(types) is not None

    def features(self, types: NumericTypes) -> tuple[str, ...]:
        """The set's name, and the feature that multiplying such numbers needs besides, if any."""
        multiply = self.multiply(types)
        return (self.name,) if multiply is None or multiply.feature is None else (self.name, multiply.feature)


_ARM = (
    Multiply("FMLA .4s", FLOAT32, FLOAT32, FLOAT32),
    Multiply("FMLA .8h", FLOAT16, FLOAT16, FLOAT16, feature=Feature.FP16),
    Multiply("SMMLA", INT8, INT8, INT32, 8, 2, Feature.I8MM),
    Multiply("SDOT", INT8, INT8, INT32, 4, feature=Feature.DOTPROD),
    Multiply("SMULL + SMLAL2 + SADALP", INT8, INT8, INT32, 4),
)
_SVE = (
    Multiply("FMLA z.s", FLOAT32, FLOAT32, FLOAT32),
    Multiply("FMLA z.h", FLOAT16, FLOAT16, FLOAT16),
    Multiply("SDOT z.s", INT8, INT8, INT32, 4),
)
_AVX2 = (
    Multiply("VFMADD231PS", FLOAT32, FLOAT32, FLOAT32),
    Multiply("VPDPBUSD", UINT8, INT8, INT32, 4, feature=Feature.AVX_VNNI),
    Multiply("VPMADDWD", UINT8, INT8, INT32, 2),
)
_AVX512 = (
    Multiply("VFMADD231PS", FLOAT32, FLOAT32, FLOAT32),
    Multiply("VPDPBUSD", UINT8, INT8, INT32, 4, feature=Feature.AVX512_VNNI),
    Multiply("VPMADDWD", UINT8, INT8, INT32, 2),
)
_SSE = (
    Multiply("MULPS + ADDPS", FLOAT32, FLOAT32, FLOAT32),
    Multiply("PMADDWD", UINT8, INT8, INT32, 2),
)


def _with(isa: Isa, features: tuple[str, ...]) -> Isa:
    """``isa`` with the instructions that such a CPU has."""
    there = tuple(m for m in isa.multiplies if m.feature is None or m.feature in features)
    return replace(isa, multiplies=there)


_TABLE = {
    "asimd": Isa("asimd", 16, 32, by_element=True, multiplies=_ARM),
    "sve": Isa("sve", 16, 32, by_element=True, multiplies=_SVE, scalable=True),
    "avx512": Isa("avx512", 64, 32, by_element=False, multiplies=_AVX512),
    "avx2": Isa("avx2", 32, 16, by_element=False, multiplies=_AVX2),
    "sse": Isa("sse", 16, 16, by_element=False, multiplies=_SSE),
}

ASIMD, SVE, AVX512, AVX2, SSE = (_with(isa, ()) for isa in _TABLE.values())
"""Each without any feature besides."""

_IN_ORDER = ("cortex-a55",)
"""Cores with SDOT that start instructions in order."""

_X86_LEVELS = {"x86-64-v4": "avx512", "x86-64-v3": "avx2"}


def isa_of(target: Target) -> Isa:
    """The instruction set that kernels for ``target`` are written in, with what its features add.

    Never ``SVE``: kernels are written in vectors of one width. Cores with it run asimd, whose 128-bit pipes are as many
    as the scalable ones are wide.
    """
    name = "asimd" if target.architecture == "aarch64" else _X86_LEVELS.get(target.cpu, "sse")
    return replace(_with(_TABLE[name], target.features), in_order=target.cpu in _IN_ORDER)
