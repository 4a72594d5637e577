"""An ONNX file of the sizes that a bundle was built for, for those who take static sizes alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from rdpass.core.files import file_digest
from rdpass.core.input_size import InputSize
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.normalise.pin_sizes import pin_sizes


def pinned_file(file: Path, inputs: Sequence[TensorSpec], folder: Path) -> Path:
    """``file`` itself where its inputs have these sizes; else a copy in ``folder`` that has."""
    model = onnx.load(file)
    pinned, _ = pin_sizes(model, [InputSize(spec.shape, spec.name) for spec in inputs], str(file))
    if pinned == model:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    sizes = "-".join("x".join(map(str, spec.shape)) for spec in inputs)
    copy = folder / f"{file.stem}-{file_digest(file)[:16]}-{sizes}.onnx"
    onnx.save(pinned, copy)
    return copy
