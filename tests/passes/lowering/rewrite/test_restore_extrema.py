"""Maxima and minima of two tensors, as the network means them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import tvm
from tvm import relax, topi

from rdpass.core.comparison import relative_error
from rdpass.deploy.lowering import import_onnx, lower_for, tvm_target
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.rewrite.restore_extrema import RestoreExtrema
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from tests.passes.lowering.lowered import operators_of


def _run(lowered: Any, target: Any, x: np.ndarray) -> np.ndarray:
    machine = relax.VirtualMachine(
        tvm.compile(lowered, target=tvm_target(target), relax_pipeline=None, tir_pipeline=TIR_PIPELINE), tvm.cpu()
    )
    result = machine["main"](tvm.runtime.tensor(x))
    output: np.ndarray = (result if isinstance(result, tvm.runtime.Tensor) else result[0]).numpy()
    return output


def _check_computes(lowered: Any, target: Any, residual_onnx: Path) -> None:
    x = np.random.default_rng(5).standard_normal((1, 3, 17, 15)).astype(np.float32)
    (expected,) = run_onnx(onnx.load(residual_onnx), [x])
    assert relative_error(_run(lowered, target, x), expected) <= 1e-5


def test_bounds_per_channel_are_not_blown_up_to_whole_maps(module: Any, target: Any, residual_onnx: Path) -> None:
    assert "relax.stack" in operators_of(module)
    restored = RestoreExtrema()(module)
    assert {"relax.maximum", "relax.minimum"} <= set(operators_of(restored))
    restored = relax.transform.DeadCodeElimination()(restored)
    assert not {"relax.stack", "relax.max", "relax.min", "relax.broadcast_to"} & set(operators_of(restored))
    _check_computes(lower_for(module, target), target, residual_onnx)


def test_a_clip_is_an_operator_that_a_layer_can_take_in(module: Any) -> None:
    assert operators_of(module).count("relax.call_tir") == 2
    restored = RestoreExtrema()(module)
    assert operators_of(restored).count("relax.call_tir") == 0
    assert operators_of(restored).count("relax.maximum") == 2


def test_another_lowered_function_of_two_tensors_is_left_alone() -> None:
    builder = relax.BlockBuilder()
    x = relax.Var("x", relax.TensorType((2, 3), "float32"))
    with builder.function("main", [x]):
        with builder.dataflow():
            result = builder.emit_output(builder.emit_te(topi.add, x, x))
        builder.emit_func_output(result)
    module = builder.get()
    assert operators_of(RestoreExtrema()(module)) == ["relax.call_tir"]


def test_a_real_reduction_is_not_taken_for_an_extremum_of_two() -> None:
    text = (
        '<ir_version: 9, opset_import: ["" : 18]> net (float[2, 3] x) => (float[3] y)'
        " <int64[1] axes = {0}> { y = ReduceMax<keepdims = 0>(x, axes) }"
    )
    module = import_onnx(read_onnx(onnx.parser.parse_model(text)))
    assert operators_of(RestoreExtrema()(module)) == operators_of(module)
