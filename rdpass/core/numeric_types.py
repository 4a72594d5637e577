"""The numeric types that networks and kernels compute in: the one place that knows their names and sizes.

A type's value is its name to numpy, TVM and ONNX, so it can be handed to any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable


class NumericType(StrEnum):
    """A type of numbers, by name.

    Example:
        >>> NumericType.FLOAT32.bytes, NumericType.INT8.abbreviation
        (4, 's8')
    """

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT32 = "int32"
    INT16 = "int16"
    INT8 = "int8"
    UINT8 = "uint8"

    @property
    def bits(self) -> int:
        """Bits of one number."""
        return _BITS[self.value]

    @property
    def bytes(self) -> int:
        """Bytes of one number."""
        return self.bits // 8

    @property
    def is_float(self) -> bool:
        return self.value.startswith("float")

    @property
    def abbreviation(self) -> str:
        """The type in the name of a kernel: f32, f16, s32, s16, s8, u8."""
        letter = "f" if self.is_float else "u" if self.value.startswith("u") else "s"
        return f"{letter}{self.bits}"

    def size(self, shape: Iterable[int]) -> int:
        """Bytes of a dense tensor of this type."""
        return self.bytes * prod(shape)

    def __repr__(self) -> str:
        return self.abbreviation


_BITS = {numeric.value: int("".join(filter(str.isdigit, numeric.value))) for numeric in NumericType}
"""Asked for a million times where tiles are chosen."""

FLOAT32 = NumericType.FLOAT32
FLOAT16 = NumericType.FLOAT16
INT32 = NumericType.INT32
INT16 = NumericType.INT16
INT8 = NumericType.INT8
UINT8 = NumericType.UINT8


@dataclass(frozen=True)
class NumericTypes:
    """The types of what a kernel reads, multiplies by, sums in and writes."""

    input: NumericType = FLOAT32
    weight: NumericType = FLOAT32
    accumulator: NumericType = FLOAT32
    output: NumericType = FLOAT32

    @staticmethod
    def all(numeric: NumericType) -> NumericTypes:
        """One type for everything."""
        return NumericTypes(numeric, numeric, numeric, numeric)

    @property
    def abbreviation(self) -> str:
        """The types in the name of a kernel: that of the maps, or what is read and what is written."""
        read, written = self.input.abbreviation, self.output.abbreviation
        return read if read == written else f"{read}_{written}"


ALL_FLOAT32 = NumericTypes()

Precision = Literal["float32", "fp16", "int8"]
"""The numbers that a whole network computes in, as users say it."""
SINGLE, HALF, BYTES = get_args(Precision)
