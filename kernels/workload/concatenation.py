"""Maps of bytes put one behind another along their channels."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import INT8, INT32, NumericTypes
from rdpass.kernels.workload.base import Workload

_SIGNED = NumericTypes(INT8, INT8, INT32, INT8)


@dataclass(frozen=True)
class Concatenation(Workload):
    """Maps of so many channels each, ``parts``, behind one another; channels need not fill whole blocks.

    ``rescaled``: which parts are brought to the output's scale by a table; the others are on it. Its constants: those
    tables in order, 256 numbers each, as ``Lookup`` has them.
    """

    batch: int
    parts: tuple[int, ...]
    pixels: int
    rescaled: tuple[bool, ...]
    types: NumericTypes = _SIGNED

    @property
    def channels(self) -> int:
        return sum(self.parts)

    @property
    def firsts(self) -> tuple[int, ...]:
        """The channel that each part begins at."""
        return tuple(sum(self.parts[:index]) for index in range(len(self.parts)))

    @property
    def operations(self) -> int:
        channels = sum(count for count, other in zip(self.parts, self.rescaled, strict=True) if other)
        return self.batch * channels * self.pixels

    def describe(self) -> str:
        return f"concatenation {'+'.join(map(str, self.parts))} {self.pixels} pixels"
