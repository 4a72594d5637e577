"""An epilogue on a map that is there already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from rdpass.core.numeric_types import ALL_FLOAT32, NumericTypes
from rdpass.kernels.workload.base import OnNumbers
from rdpass.kernels.workload.epilogue import NO_EPILOGUE, Epilogue


@dataclass(frozen=True)
class Elementwise(OnNumbers):
    """An epilogue on a map that is there already, in place of a convolution's sum.

    ``scale``: before it every channel is multiplied by a number of the table (``constant``), by what another map of one
    pixel says for its image (``gate``), or by another map of its own shape (``map``). Its constants: ``rows`` rows of
    numbers per channel; of bytes one ``Requantization``.
    """

    epilogue: Epilogue = NO_EPILOGUE
    scale: Literal["none", "constant", "gate", "map"] = "none"
    types: NumericTypes = ALL_FLOAT32

    @property
    def rows(self) -> int:
        """Numbers per channel in the kernel's table: the epilogue's, then the scale."""
        return self.epilogue.rows + (self.scale == "constant")

    def in_place(self) -> Elementwise:
        return replace(self, epilogue=self.epilogue.placed(True))

    def describe(self) -> str:
        what = self.epilogue.activation if self.scale == "none" else self.scale
        return f"{what} {self.channels} {self.pixels} pixels"
