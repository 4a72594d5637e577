"""Names, static shapes and types of a network's inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """An input or output: its name, static shape and numpy dtype name."""

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Bytes of the dense tensor."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize
