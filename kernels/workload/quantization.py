"""A map of float32 as bytes."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import FLOAT32, INT8, NumericTypes
from rdpass.kernels.workload.base import Workload

_TYPES = NumericTypes(FLOAT32, FLOAT32, FLOAT32, INT8)


@dataclass(frozen=True)
class Quantization(Workload):
    """A planar map (N, C, H W) of float32 as blocked bytes, as QuantizeLinear of ONNX has it.

    Its constants: scale and zero, two numbers.
    """

    batch: int
    channels: int
    pixels: int
    types: NumericTypes = _TYPES

    @property
    def operations(self) -> int:
        return self.batch * self.channels * self.pixels

    def describe(self) -> str:
        return f"quantize {self.channels} {self.pixels} pixels"
