"""The mean over all pixels and the fully connected layer after it."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import ALL_FLOAT32, NumericTypes
from rdpass.kernels.workload.base import Workload


@dataclass(frozen=True)
class Head(Workload):
    """The mean over all pixels and the fully connected layer after it.

    ``classes`` 0: no layer; ``pixels`` 1: no mean. ``averages`` false: no mean either, the layer reads every pixel.
    Its constant: weights (classes, what is read) and bias (classes) of the layer, or None where there is none. Of bytes
    the layer has a ``Requantization`` behind these, and None is followed by that of the mean, of one factor.
    """

    batch: int
    channels: int
    pixels: int
    classes: int
    averages: bool = True
    types: NumericTypes = ALL_FLOAT32

    @property
    def depth(self) -> int:
        """Numbers that the layer reads for an image."""
        return self.channels * (1 if self.averages else self.pixels)

    @property
    def operations(self) -> int:
        return self.batch * (2 * self.depth * self.classes + self.averages * self.channels * self.pixels)

    @property
    def weights(self) -> int:
        return self.depth * self.classes

    def describe(self) -> str:
        return f"head {self.channels}-{self.classes}"
