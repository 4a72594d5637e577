"""The input that every stage is compared on, and the output it is to give.

1. A file given, or the one beside the model (``student.onnx`` has ``student.golden.npz``): torch's own numbers, which
   export writes, or the integer oracle's, which quantize writes.
2. Else standard-normal numbers from a fixed seed, and what ONNX Runtime makes of them.
3. Where float32 is no good oracle of a network, ``compile`` puts outputs computed in float64 in their place.
4. For a quantised network the outputs are those of its integers (``integer_oracle``), whatever the inputs come from:
   runtimes round such networks differently.

Such a file holds ``input_0``, ..., ``output_0``, ..., ``source``, what computed these (torch if it does not say), and
``onnx_sha256``, the digest of the model it belongs to.
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from rdpass.core.comparison import INTEGERS, Array
from rdpass.core.errors import ConfigError, first_line
from rdpass.core.files import check_regular, file_digest, new_file
from rdpass.core.tensor_spec import TensorSpec
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import OnnxSource
from rdpass.onnx.tensor_specs import random_input

log = logging.getLogger(__name__)

_ROOM = 1 << 20  # bytes: headers, the digest, the source

TORCH = "torch"
RUNTIME = "onnxruntime"


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
    return in_integers(model, found) if model.is_quantised else found


def in_integers(model: OnnxSource, golden: Golden) -> Golden:
    """The numbers with the outputs that the integers of a quantised network give."""
    outputs = integer_run(model.reference, golden.inputs)
    typed = (np.asarray(output, spec.dtype) for output, spec in zip(outputs, model.outputs, strict=True))
    return Golden(golden.inputs, tuple(typed), INTEGERS)


def _found(model: OnnxSource, given: Path | None) -> Golden:
    if given is not None:
        return read_golden(model, given)
    beside = golden_path(model.path) if model.path else None
    if beside is not None and beside.exists():
        try:
            return read_golden(model, beside)
        except ConfigError as error:
            log.warning("%s; ONNX Runtime's output is used instead", error)
    inputs = tuple(random_input(spec, index) for index, spec in enumerate(model.inputs))
    return Golden(inputs, tuple(run_onnx(model.reference, inputs)), RUNTIME)


def golden_path(model: Path) -> Path:
    """The file of an ONNX file's golden numbers, beside it.

    Raises:
        ConfigError: the ONNX file has no name.
    """
    if not model.name:
        raise ConfigError(f"{str(model)!r} is no name for a file")
    return model.with_suffix(".golden.npz")


def save_with_golden(model: onnx.ModelProto, golden: Golden, path: Path, force: bool) -> None:
    """Write ``model`` and its golden numbers beside it, each as a whole.

    Raises:
        ConfigError: the place is taken or can't be written.
    """
    arrays = {f"input_{i}": x for i, x in enumerate(golden.inputs)}
    arrays |= {f"output_{i}": y for i, y in enumerate(golden.outputs)}
    if golden.source != TORCH:
        arrays["source"] = np.array(golden.source)
    try:
        with new_file(path, force) as temporary:
            onnx.save(model, str(temporary))
            digest = np.array(file_digest(temporary))
            with new_file(golden_path(path), force) as beside:
                np.savez(beside, onnx_sha256=digest, **arrays)  # type: ignore[arg-type]
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}") from error


def read_golden(model: OnnxSource, path: Path) -> Golden:
    """The golden numbers of ``model`` in a file, as they were written.

    Raises:
        ConfigError: they can't be read, or belong to another model.
    """
    try:
        check_regular(path)
        _check_size(model, path)
        with np.load(path, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
    except ConfigError:
        raise
    except Exception as error:  # numpy parses headers with Python's own parser, which raises what it likes
        raise ConfigError(f"{path} can't be read as golden numbers ({first_line(error)})") from error
    if str(stored.get("onnx_sha256", "")) != model.digest:
        raise ConfigError(f"{path} belongs to another model")
    inputs, outputs = _tensors(stored, "input", model.inputs, path), _tensors(stored, "output", model.outputs, path)
    return Golden(inputs, outputs, str(stored.get("source", TORCH)))


def _check_size(model: OnnxSource, path: Path) -> None:
    """Refuse an archive that unpacks to more than the model's inputs and outputs: a small file can hold gigabytes."""
    expected = sum(spec.bytes for spec in (*model.inputs, *model.outputs))
    with zipfile.ZipFile(path) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > 2 * expected + _ROOM:
        raise ConfigError(f"{path} unpacks to {unpacked} bytes, and the model's inputs and outputs are {expected}")


def _tensors(stored: Mapping[str, Array], kind: str, specs: Sequence[TensorSpec], path: Path) -> tuple[Array, ...]:
    tensors = []
    for index, spec in enumerate(specs):
        tensor = stored.get(f"{kind}_{index}")
        if tensor is None or tensor.shape != spec.shape or tensor.dtype != spec.dtype:
            raise ConfigError(f"{path}: {kind}_{index} is not {spec.dtype} {spec.shape} as the model's {spec.name!r}")
        tensors.append(np.asarray(tensor, order="C"))
    return tuple(tensors)
