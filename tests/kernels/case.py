"""One kernel on one workload: its function, what it is given, and what it has to give back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        """The output's first contents: NaN or, of integers, a number like any other, unless they are read."""
        return poisoned(self.shape, self._type(-2)) if self.before is None else self.before

    @property
    def arguments(self) -> tuple[Array, ...]:
        """All arguments as they are before the call; the workspace holds poison."""
        workspace = poisoned((int(self.function.attrs[WORKSPACE]),), self._type(-1))
        return (*self.inputs, self.initial, workspace)

    def _type(self, parameter: int) -> str:
        return str(self.function.params[parameter].dtype)


def poisoned(shape: Sequence[int], kind: str) -> Array:
    """What nobody may read."""
    return np.full(shape, np.nan if kind.startswith("float") else _POISON, kind)


_POISON = 99
