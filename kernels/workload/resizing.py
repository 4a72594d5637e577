"""A map at other extents."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import Literal

from rdpass.core.numeric_types import ALL_FLOAT32, NumericTypes
from rdpass.kernels.workload.base import Workload

_MIXTURE_OPERATIONS = 3 * 2
"""A multiply-accumulate for each of the three mixtures of a linear output."""


@dataclass(frozen=True)
class Places:
    """Places of an axis's outputs on its input: output i at (a i + b) / d, held to the axis."""

    a: int
    b: int
    d: int

    @property
    def reduced(self) -> Places:
        """The same places by the smallest numbers."""
        common = gcd(self.a, self.b, self.d)
        return Places(self.a // common, self.b // common, self.d // common)


@dataclass(frozen=True)
class Resizing(Workload):
    """A map at other extents: ``nearest`` takes the input that lies at or before a place, ``linear`` mixes two.

    It has no constants; a linear one of bytes has one ``Requantization``, of one factor: the scale of the input over
    that of the output.
    """

    batch: int
    channels: int
    height: int
    width: int
    out_height: int
    out_width: int
    kind: Literal["nearest", "linear"]
    down: Places
    across: Places
    types: NumericTypes = ALL_FLOAT32

    @property
    def operations(self) -> int:
        each = _MIXTURE_OPERATIONS if self.kind == "linear" else 0
        return self.batch * self.channels * self.out_height * self.out_width * each

    def describe(self) -> str:
        return f"{self.kind} {self.channels} {self.height}x{self.width} to {self.out_height}x{self.out_width}"
