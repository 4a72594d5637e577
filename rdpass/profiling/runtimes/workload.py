"""The network that every runtime is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import BYTES, SINGLE, Precision
from rdpass.onnx.golden import find_golden
from rdpass.onnx.source import read_onnx

Inference = Callable[[Array], Array]
"""The output for an input, both of the network's own shapes, as a new array or one that the next call overwrites."""


@dataclass(frozen=True)
class Workload:
    """A network of one input and one output: its name among the reference networks, its ONNX file, an input, what
    torch, or its own integers, make of it, and a folder for what runtimes convert it to.

    ``precision``: what ours computes it in. Other runtimes compute networks of floats in float32 all the same.
    """

    name: str
    onnx: Path
    folder: Path
    x: Array
    expected: Array
    precision: Precision = SINGLE

    @property
    def theirs(self) -> Precision:
        """The precision of other runtimes."""
        found: Precision = BYTES if self.precision == BYTES else SINGLE
        return found

    def kept(self, name: str, *versions: str) -> Path:
        """The place of a converted file, under a name that changes with the model and the converter."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.onnx.stem}-{'-'.join(versions)}-{name}"


def workload(name: str, onnx: Path, folder: Path) -> Workload:
    """The workload of a reference network, or of any ONNX file with one input and one output."""
    source = read_onnx(onnx)
    golden = find_golden(source)
    (x,), (expected,) = golden.inputs, golden.outputs
    return Workload(name, onnx, folder, np.ascontiguousarray(x), expected, BYTES if source.is_quantised else SINGLE)
