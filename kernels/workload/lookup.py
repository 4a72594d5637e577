"""A table applied to every byte of a map."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import INT8, INT32, NumericTypes
from rdpass.kernels.workload.base import OnNumbers

_SIGNED = NumericTypes(INT8, INT8, INT32, INT8)


@dataclass(frozen=True)
class Lookup(OnNumbers):
    """A function of one byte, for every byte of a map: an activation between two quantisations.

    Its constant: the table, 256 numbers of the output's type, by the input's bits read as an unsigned number.
    """

    types: NumericTypes = _SIGNED

    def describe(self) -> str:
        return f"table {self.channels} {self.pixels} pixels"
