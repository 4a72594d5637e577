"""A model in ONNX's text form read into torch, its numbers those of ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.fx import GraphModule

from rdpass.core.comparison import Array
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.reading.network import read_into_torch
from rdpass.onnx.source import read_onnx
from rdpass.onnx.tensor_specs import random_input
from tests.onnx.normalise.models import parsed


def read(body: str, inputs: str = "float[2, 6, 8, 9] x", outputs: str = "float[] y", opset: int = 18,
         positive: bool = False, tolerance: float = 1e-5, **weights: Any) -> GraphModule:  # fmt: skip
    """The module; what it computes is compared on random numbers, or on their magnitudes where only these will do."""
    source = read_onnx(parsed(body, inputs, outputs, opset, weights))
    module = read_into_torch(source.model, "net")
    assert not module.training
    given = [random_input(spec, index + 3) for index, spec in enumerate(source.inputs)]
    given = [np.abs(array) + np.asarray(0.5, array.dtype) for array in given] if positive else given
    compare(module, given, run_onnx(source.reference, given), tolerance)
    return module


def compare(module: nn.Module, given: list[Array], expected: list[Array], tolerance: float = 1e-5) -> None:
    with torch.no_grad():
        found = module(*(torch.from_numpy(array.copy()) for array in given))
    for got, wanted in zip(found if isinstance(found, tuple) else (found,), expected, strict=True):
        assert (got.numpy().dtype, tuple(got.shape)) == (wanted.dtype, wanted.shape)
        assert np.allclose(got.numpy(), wanted, rtol=tolerance, atol=tolerance, equal_nan=True)


def layers(module: nn.Module) -> list[str]:
    """The types of the modules in it."""
    return [type(each).__name__ for each in list(module.modules())[1:]]
