"""A model in ONNX's text form as TVM is given it, its numbers ONNX Runtime's and TVM's."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from rdpass.deploy.lowering import build, import_onnx, known_operators, run_here
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.onnx.tensor_specs import random_input
from rdpass.onnx.tvm_form.pipeline import tvm_form
from rdpass.targets.lookup import host_target
from tests.onnx.normalise.models import parsed


def form(body: str, inputs: str = "float[1, 4, 6, 7] x", outputs: str = "float[] y", opset: int = 18,
         runs: bool = True, **weights: Any) -> onnx.ModelProto:  # fmt: skip
    source = read_onnx(parsed(body, inputs, outputs, opset, weights))
    formed = tvm_form(source.model, known_operators(), "net")
    given = [random_input(spec, index + 3) for index, spec in enumerate(source.inputs)]
    expected = run_onnx(source.reference, given)
    _compare(run_onnx(formed, given), expected)
    if runs:
        _compare(run_here(build(import_onnx(source), host_target()), given), expected)
    return formed


def _compare(found: Any, expected: Any) -> None:
    for got, wanted in zip(found, expected, strict=True):
        assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
        assert np.allclose(got, wanted, rtol=1e-4, atol=1e-5)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]
