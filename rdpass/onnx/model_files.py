"""The files that an ONNX model consists of: itself, and those that hold its weights where they lie outside."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx.external_data_helper import ExternalDataInfo, uses_external_data

from rdpass.core.files import check_regular


def input_shapes(path: Path) -> list[tuple[int, ...]]:
    """The shapes of its inputs as the file says them, 0 where it leaves one open; none where it can't be read."""
    try:
        check_regular(path)
        graph = onnx.load(path, load_external_data=False).graph
    except (OSError, DecodeError):
        return []
    weights = {tensor.name for tensor in graph.initializer}
    return [
        tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in graph.input
        if value.name not in weights
    ]


def model_files(path: Path) -> tuple[Path, ...]:
    """``path``, and the files beside it that its weights name; ``path`` alone where it can't be read."""
    try:
        check_regular(path)
        weights = onnx.load(path, load_external_data=False).graph.initializer
    except (OSError, DecodeError):
        return (path,)
    names = {ExternalDataInfo(tensor).location for tensor in weights if uses_external_data(tensor)}
    return (path, *(path.parent / name for name in sorted(names)))
