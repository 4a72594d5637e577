"""An ONNX file as a torch module, as exact as ONNX Runtime is."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from rdpass.core.comparison import Array, check_close
from rdpass.core.errors import ConfigError
from rdpass.core.input_size import InputSize
from rdpass.core.tensors import arrays_of
from rdpass.onnx.double_oracle import exact_of
from rdpass.onnx.normalise.pin_sizes import inputs_of
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.reading.network import read_into_torch
from rdpass.onnx.reading.strip_quantisation import strip_quantisation
from rdpass.onnx.source import read_onnx
from rdpass.onnx.tensor_specs import random_input, spec_of

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Of the torch module against ONNX Runtime, relative to the largest output."""


def load_onnx(path: Path, sizes: Sequence[InputSize] = ()) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The network in an ``.onnx`` file, and standard-normal inputs of its sizes.

    What is quantised is read as the float32 network that it came from.

    Args:
        path: the file.
        sizes: of its inputs; what neither these nor the file say is guessed, and said so.

    Raises:
        ConfigError: there is no such file, or it holds what can't be read into torch; the message names the node.
        ParityError: the module computes something else than ONNX Runtime (a bug).
    """
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file")
    source = read_onnx(path, sizes, guess=True, keep_halves=False)
    model, reference, specs = source.model, source.reference, source.inputs
    if source.is_quantised:
        log.warning(
            "%s is quantised: read as a network of floats; `rdpass quantize` makes integers of the result", path
        )
        model = reference = strip_quantisation(model, str(path))
        specs = tuple(spec_of(value, str(path)) for value in inputs_of(model.graph))  # integers became floats
    module = read_into_torch(model, str(path))
    inputs = [random_input(spec, index) for index, spec in enumerate(specs)]
    example = tuple(torch.from_numpy(array) for array in inputs)
    with torch.no_grad():
        found: list[Array] = [np.asarray(array) for array in arrays_of(module(*example))]
    check_close("onnx-torch", found, run_onnx(reference, inputs), TOLERANCE, exact_of(reference, inputs))
    return module, example
