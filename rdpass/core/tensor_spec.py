"""Names, static shapes and types of a network's inputs and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a compiled network.

    Args:
        name: as in the ONNX file.
        shape: static, the batch in axis 0.
        dtype: numpy's name of the type.

    Example:
        >>> import rdpass
        >>> rdpass.load("student.rdp").manifest.inputs
        (TensorSpec(name='input', shape=(1, 3, 8, 8), dtype='float32'),)
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        """Bytes of the dense tensor."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize
