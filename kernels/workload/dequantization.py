"""A map of bytes as float32."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import FLOAT32, INT8, INT32, NumericTypes
from rdpass.kernels.workload.base import OnNumbers

_TYPES = NumericTypes(INT8, INT8, INT32, FLOAT32)


@dataclass(frozen=True)
class Dequantization(OnNumbers):
    """Blocked bytes as a planar map (N, C, H W) of float32, as DequantizeLinear of ONNX has it.

    Its constants: scale and zero, two numbers.
    """

    types: NumericTypes = _TYPES

    def describe(self) -> str:
        return f"dequantize {self.channels} {self.pixels} pixels"
