"""The first convolution of a quantised network, and the quantisation of its image."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import FLOAT32, NumericType
from rdpass.kernels.workload.stem import Stem


@dataclass(frozen=True)
class QuantizedStem(Stem):
    """A stem of bytes. ``source``: the image's type, float32 that is quantised here, or bytes that are so already.

    Bytes have the scale and the zero of what the convolution reads, the zero being 128 more where they are unsigned and
    the kernel's are not.

    Its constants: those of the convolution, then the image's scale, a number.
    """

    source: NumericType = FLOAT32

    def describe(self) -> str:
        return f"{super().describe()} of {self.source}"
