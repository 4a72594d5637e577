"""Two pointwise convolutions in a row."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rdpass.core.numeric_types import NumericTypes
from rdpass.kernels.workload.base import Workload
from rdpass.kernels.workload.convolution import Convolution
from rdpass.kernels.workload.epilogue import Epilogue


@dataclass(frozen=True)
class PointwisePair(Workload):
    """Two pointwise convolutions of stride 1 in a row; nothing else reads the map between them.

    Its constants: the weights of both, and the rows of both.
    """

    first: Convolution
    second: Convolution

    @property
    def types(self) -> NumericTypes:
        """The types of the first, with what the second writes."""
        return replace(self.first.types, output=self.second.types.output)

    @property
    def all_types(self) -> tuple[NumericTypes, ...]:
        return self.first.types, self.second.types

    @property
    def epilogue(self) -> Epilogue:
        """The second's."""
        return self.second.epilogue

    @property
    def is_of_stride_1(self) -> bool:
        """Tell whether both are 1 x 1 windows of stride 1."""
        return all(conv.is_pointwise and conv.stride == (1, 1) for conv in (self.first, self.second))

    @property
    def operations(self) -> int:
        return self.first.operations + self.second.operations

    @property
    def weights(self) -> int:
        return self.first.weights + self.second.weights

    def in_place(self) -> PointwisePair:
        return replace(self, second=self.second.in_place())

    def describe(self) -> str:
        first = self.first
        return f"pair {first.channels}-{first.filters}-{self.second.filters} {first.height}x{first.width}"
