"""The maximum or the average over a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rdpass.core.numeric_types import ALL_FLOAT32, NumericTypes
from rdpass.kernels.workload.base import Workload


@dataclass(frozen=True)
class Pooling(Workload):
    """Maximum or average over a window; an average divides by ``divisor`` or, where that is 0, by what it covers.

    It has no constants; an average of bytes has one ``Requantization``, of one factor: the scale of the input over that
    of the output. Its bounds are those of the type.
    """

    batch: int
    channels: int
    height: int
    width: int
    kind: Literal["max", "average"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    divisor: int = 0
    types: NumericTypes = ALL_FLOAT32

    @property
    def out_height(self) -> int:
        return (self.height + self.padding[0] + self.padding[2] - self.kernel[0]) // self.stride[0] + 1

    @property
    def out_width(self) -> int:
        return (self.width + self.padding[1] + self.padding[3] - self.kernel[1]) // self.stride[1] + 1

    @property
    def operations(self) -> int:
        window = self.kernel[0] * self.kernel[1]
        return self.batch * self.channels * self.out_height * self.out_width * window

    def describe(self) -> str:
        return f"{self.kind} pool {self.channels} {self.height}x{self.width}"
