"""An ONNX model read: checked, normalised, with its inputs and outputs, of static shapes, and its recorded gates."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from rdpass.core.comparison import NumericGate, gate_of
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular, file_digest
from rdpass.core.input_size import InputSize
from rdpass.core.other_formats import check_onnx_format
from rdpass.core.processing import Processing, processing_of
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.normalise.infer_shapes import inferred_graph
from rdpass.onnx.normalise.pin_sizes import inputs_of
from rdpass.onnx.normalise.pipeline import normalise
from rdpass.onnx.tensor_specs import spec_of

log = logging.getLogger(__name__)

GATES_KEY = "rdpass.gates"
"""Where in an ONNX file's metadata the gates passed on the way to it are kept, as a JSON list."""
PROCESSING_KEY = "rdpass.processing"
"""Likewise what is done within the network to its input and output, as JSON."""

_LONG_NAME = "ai.onnx"
_REFUSALS = (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, DecodeError)


@dataclass(frozen=True)
class OnnxSource:
    """A valid model in the readers' form.

    ``reference``: the file as it was written, of pinned sizes: what the oracle runs. ``path``: the file, if any.
    ``digest``: the SHA-256 of its bytes.
    """

    model: onnx.ModelProto
    reference: onnx.ModelProto
    path: Path | None
    digest: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    gates: tuple[NumericGate, ...]
    processing: Processing | None = None

    @property
    def is_quantised(self) -> bool:
        """Tell whether numbers of it are quantised and dequantised again."""
        return any(node.op_type == "DequantizeLinear" for node in self.model.graph.node)


def read_onnx(
    source: Path | onnx.ModelProto,
    sizes: Sequence[InputSize] = (),
    guess: bool = False,
    keep_halves: bool = True,
) -> OnnxSource:
    """Read, check and normalise a model.

    Args:
        source: a file, with external data or without, or a model.
        sizes: of its inputs, by name or in order; needed where the file leaves more than the batch open.
        guess: take a usual size for what is left open.
        keep_halves: leave inputs and outputs in float16 as they are, though the network computes in float32.

    Raises:
        ConfigError: it can't be read, is not valid ONNX, has what no reader takes, or an input or output has no static
            shape.
    """
    path = None if isinstance(source, onnx.ModelProto) else source
    if path is not None:
        check_onnx_format(path)
    label = "the ONNX model" if path is None else str(path)
    loaded = _loaded(source, label)
    normal = normalise(loaded, sizes, label, guess, keep_halves)
    for note in normal.notes:
        log.warning("%s", note)
    try:
        graph = inferred_graph(normal.model)
    except _REFUSALS as error:
        raise ConfigError(f"{label} is not a valid ONNX model: {first_line(error)}") from error
    return OnnxSource(
        normal.model,
        normal.reference,
        path,
        file_digest(path) if path else hashlib.sha256(loaded.SerializeToString(deterministic=True)).hexdigest(),
        tuple(spec_of(value, label) for value in inputs_of(normal.reference.graph)),
        tuple(spec_of(value, label) for value in graph.output),
        _recorded_gates(loaded, label),
        _recorded_processing(loaded, label),
    )


def _loaded(source: Path | onnx.ModelProto, label: str) -> onnx.ModelProto:
    try:
        if isinstance(source, Path):
            check_regular(source)
        model = _of_one_domain(source if isinstance(source, onnx.ModelProto) else onnx.load(source))
        _check_tensors(model.graph, label)
        onnx.checker.check_model(model)
        inferred_graph(model, strict=True)
    except OSError as error:
        raise ConfigError(f"{label} can't be read: {error.strerror or error}") from error
    except (*_REFUSALS, ValueError) as error:  # weights that lie beyond their file's end
        raise ConfigError(f"{label} is not a valid ONNX model: {first_line(error)}") from error
    return model


def _of_one_domain(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX's own domain under its short name, which alone onnx's tools know; ``model`` itself where it has no other."""
    if all(entry.domain != _LONG_NAME for entry in (*model.opset_import, *model.graph.node)):
        return model
    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    for entry in (*copied.opset_import, *copied.graph.node):
        entry.domain = "" if entry.domain == _LONG_NAME else entry.domain
    return copied


def _check_tensors(graph: onnx.GraphProto, label: str) -> None:
    """Refuse results that are dictionaries, as classifiers of scikit-learn give them."""
    for value in graph.output:
        element = value.type.sequence_type.elem_type if value.type.HasField("sequence_type") else value.type
        if element.HasField("map_type"):
            raise ConfigError(
                f"{label}: the output {value.name!r} is made of dictionaries, not a tensor; export without them"
                " (skl2onnx: options={'zipmap': False}), or cut the network before it"
            )


def _recorded_gates(model: onnx.ModelProto, label: str) -> tuple[NumericGate, ...]:
    text = next((entry.value for entry in model.metadata_props if entry.key == GATES_KEY), "[]")
    try:
        return tuple(map(gate_of, json.loads(text)))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(f"{label}: its metadata {GATES_KEY!r} is damaged; export it again") from error


def _recorded_processing(model: onnx.ModelProto, label: str) -> Processing | None:
    text = next((entry.value for entry in model.metadata_props if entry.key == PROCESSING_KEY), None)
    if text is None:
        return None
    try:
        return processing_of(dict(json.loads(text)))
    except (ValueError, TypeError, ConfigError) as error:
        raise ConfigError(f"{label}: its metadata {PROCESSING_KEY!r} is damaged; export it again") from error
