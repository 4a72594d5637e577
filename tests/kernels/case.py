"""One kernel on one workload: its function, what it is given, and what it has to give back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.builder.function import WORKSPACE
from rdpass.targets.isa import Isa


@dataclass(frozen=True)
class Case:
    """``inputs``: every argument but the last two, output and workspace.

    ``before``: what the output holds before the call, where that is read.

    ``expected``: float64, as a map or planar; ``unpack`` brings the output there.
    """

    name: str
    function: Any
    isa: Isa
    inputs: tuple[Array, ...]
    shape: tuple[int, ...]
    expected: Array
    unpack: Callable[[Array], Array]
    before: Array | None = None

    @property
    def initial(self) -> Array:
        """The output's first contents: NaN, unless they are read."""
        return np.full(self.shape, np.nan, np.float32) if self.before is None else self.before

    @property
    def arguments(self) -> tuple[Array, ...]:
        """All arguments as they are before the call; the workspace holds NaN."""
        workspace = np.full(int(self.function.attrs[WORKSPACE]), np.nan, np.float32)
        return (*self.inputs, self.initial, workspace)
