"""An ONNX model read to be built: checked, with the static shapes of its inputs and outputs and its recorded gates."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from rdpass.core.comparison import NumericGate
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import file_digest
from rdpass.core.tensor_spec import TensorSpec

GATES_KEY = "rdpass.gates"
"""Where in an ONNX file's metadata the gates passed on the way to it are kept, as a JSON list."""

_REFUSALS = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, DecodeError)


@dataclass(frozen=True)
class OnnxSource:
    """A valid model; ``path`` is the file it came from, if any, and ``digest`` the SHA-256 of its bytes."""

    model: onnx.ModelProto
    path: Path | None
    digest: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    gates: tuple[NumericGate, ...]

    @property
    def is_quantised(self) -> bool:
        """Tell whether numbers of it are quantised and dequantised again."""
        return any(node.op_type == "DequantizeLinear" for node in self.model.graph.node)


def read_onnx(source: Path | onnx.ModelProto) -> OnnxSource:
    """Read and check a model.

    Raises:
        ConfigError: it can't be read, is not valid ONNX, or an input or output has no static shape.
    """
    path = None if isinstance(source, onnx.ModelProto) else source
    label = "the ONNX model" if path is None else str(path)
    try:
        model = source if isinstance(source, onnx.ModelProto) else onnx.load(source)
        onnx.checker.check_model(model)
        graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    except OSError as error:
        raise ConfigError(f"{label} can't be read: {error.strerror or error}") from error
    except _REFUSALS as error:
        raise ConfigError(f"{label} is not a valid ONNX model: {first_line(error)}") from error
    weights = {initializer.name for initializer in graph.initializer}
    return OnnxSource(
        model,
        path,
        file_digest(path) if path else hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest(),
        tuple(_spec(value, label) for value in graph.input if value.name not in weights),
        tuple(_spec(value, label) for value in graph.output),
        _recorded_gates(model, label),
    )


def _spec(value: onnx.ValueInfoProto, label: str) -> TensorSpec:
    kind = value.type.tensor_type
    extents = kind.shape.dim
    if not kind.HasField("shape") or not all(d.HasField("dim_value") and d.dim_value > 0 for d in extents):
        raise ConfigError(f"{label}: {value.name!r} has no static shape; export the model with fixed sizes")
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    if dtype.kind not in "fiub":
        raise ConfigError(f"{label}: {value.name!r} is of type {dtype.name}, which .npy files and numpy don't have")
    return TensorSpec(value.name, tuple(d.dim_value for d in extents), dtype.name)


def _recorded_gates(model: onnx.ModelProto, label: str) -> tuple[NumericGate, ...]:
    text = next((entry.value for entry in model.metadata_props if entry.key == GATES_KEY), "[]")
    try:
        return tuple(NumericGate(str(g["name"]), float(g["error"]), float(g["tolerance"])) for g in json.loads(text))
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{label}: its metadata {GATES_KEY!r} is damaged; export it again") from error
