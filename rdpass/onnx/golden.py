"""The input that every stage is compared on, and the output it is to give.

1. A file given, or the one beside the model (``student.onnx`` has ``student.golden.npz``), which export writes: torch's
   own numbers.
2. Else standard-normal numbers from a fixed seed, and what ONNX Runtime makes of them.
3. For a quantised network the outputs are those of its integers (``integer_oracle``), whatever the inputs come from:
   runtimes round such networks differently.

Such a file holds ``input_0``, ..., ``output_0``, ... and ``onnx_sha256``, the digest of the model it belongs to.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import OnnxSource

log = logging.getLogger(__name__)

SEED = 0
_BYTES = {"uint8": (0, 256), "int8": (-128, 128)}


@dataclass(frozen=True)
class Golden:
    """Inputs and the outputs expected for them, in the model's order; ``source`` names what computed these."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    source: str


def find_golden(model: OnnxSource, given: Path | None = None) -> Golden:
    """The numbers to compare ``model`` with. A file beside the model that belongs to another one is left alone.

    Raises:
        ConfigError: the file given does not belong to the model or can't be read.
    """
    found = _found(model, given)
    return _in_integers(model, found) if model.is_quantised else found


def _in_integers(model: OnnxSource, golden: Golden) -> Golden:
    outputs = integer_run(model.model, golden.inputs)
    typed = (np.asarray(output, spec.dtype) for output, spec in zip(outputs, model.outputs, strict=True))
    return Golden(golden.inputs, tuple(typed), "integers")


def _found(model: OnnxSource, given: Path | None) -> Golden:
    if given is not None:
        return _read(model, given)
    beside = golden_path(model.path) if model.path else None
    if beside is not None and beside.exists():
        try:
            return _read(model, beside)
        except ConfigError as error:
            log.warning("%s; ONNX Runtime's output is used instead", error)
    inputs = tuple(_random(spec, index) for index, spec in enumerate(model.inputs))
    return Golden(inputs, tuple(run_onnx(model.model, inputs)), "onnxruntime")


def golden_path(model: Path) -> Path:
    """The file of an ONNX file's golden numbers, beside it."""
    return model.with_suffix(".golden.npz")


def _random(spec: TensorSpec, index: int) -> Array:
    generator = np.random.default_rng([SEED, index])
    if np.dtype(spec.dtype).kind == "f":
        return generator.standard_normal(spec.shape).astype(spec.dtype)
    if spec.dtype in _BYTES:
        return generator.integers(*_BYTES[spec.dtype], spec.shape).astype(spec.dtype)
    return generator.integers(0, 2, spec.shape).astype(spec.dtype)


def _read(model: OnnxSource, path: Path) -> Golden:
    try:
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} can't be read as golden numbers ({error})") from error
    if str(stored.get("onnx_sha256", "")) != model.digest:
        raise ConfigError(f"{path} belongs to another model")
    return Golden(
        _tensors(stored, "input", model.inputs, path), _tensors(stored, "output", model.outputs, path), "torch"
    )


def _tensors(stored: Mapping[str, Array], kind: str, specs: Sequence[TensorSpec], path: Path) -> tuple[Array, ...]:
    tensors = []
    for index, spec in enumerate(specs):
        tensor = stored.get(f"{kind}_{index}")
        if tensor is None or tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            raise ConfigError(f"{path}: {kind}_{index} is not {spec.dtype} {spec.shape} as the model's {spec.name!r}")
        tensors.append(np.asarray(tensor, order="C"))
    return tuple(tensors)
