"""The first convolution of a network."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdpass.core.numeric_types import NumericTypes
from rdpass.kernels.workload.base import Workload
from rdpass.kernels.workload.convolution import Convolution
from rdpass.kernels.workload.epilogue import Epilogue
from rdpass.kernels.workload.pooling import Pooling


@dataclass(frozen=True)
class Stem(Workload):
    """The first convolution of a network, of a planar (N, C, H, W) input, and the pooling right after it, if any.

    Its constants are the convolution's.
    """

    convolution: Convolution
    pooling: Pooling | None = None

    @property
    def types(self) -> NumericTypes:
        """The convolution's."""
        return self.convolution.types

    @property
    def epilogue(self) -> Epilogue:
        """The convolution's, before the pooling."""
        return self.convolution.epilogue

    @property
    def operations(self) -> int:
        return self.convolution.operations + (0 if self.pooling is None else self.pooling.operations)

    @property
    def weights(self) -> int:
        return self.convolution.weights

    def in_place(self) -> Stem:
        return replace(self, convolution=self.convolution.in_place())

    def describe(self) -> str:
        conv, pooled = self.convolution, " + pool" if self.pooling else ""
        return f"stem {conv.kernel[0]}x{conv.kernel[1]} {conv.channels}-{conv.filters} {conv.height}{pooled}"
