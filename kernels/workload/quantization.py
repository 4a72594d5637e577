"""A map of float32 as bytes."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import FLOAT32, INT8, NumericTypes
from rdpass.kernels.workload.base import OnNumbers

_TYPES = NumericTypes(FLOAT32, FLOAT32, FLOAT32, INT8)


@dataclass(frozen=True)
class Quantization(OnNumbers):
    """A planar map (N, C, H W) of float32 as blocked bytes, as QuantizeLinear of ONNX has it.

    Its constants: scale and zero, two numbers.
    """

    types: NumericTypes = _TYPES

    def describe(self) -> str:
        return f"quantize {self.channels} {self.pixels} pixels"
