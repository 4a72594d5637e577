"""A Gather never reads beside its map, and TVM does not warn of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from rdpass.core.comparison import relative_error
from rdpass.core.numeric_types import HALF, SINGLE, Precision
from rdpass.deploy.lowering import build, import_onnx, network_of, run_here, tvm_target
from rdpass.kernels.machine import machine_of
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.pipeline import lower
from rdpass.targets.lookup import find_target, host_target
from rdpass.targets.target import Target
from tests.onnx.normalise.models import numbers, parsed

X = "float[1, 4, 9] x"
INDICES = {"last": np.array(-1), "some": np.array([[0, 8], [-9, 3]])}


def _built(body: str, **weights: Any) -> tuple[Any, Any, Any]:
    source = read_onnx(parsed(body, X, weights=weights))
    return source, import_onnx(source), numbers(1, 4, 9)


def _warnings(module: Any, target: Target, capfd: pytest.CaptureFixture[str]) -> str:
    """What TVM writes while it lowers, nothing of it held back."""
    capfd.readouterr()
    lower(module, tvm_target(target), machine_of(target))
    return capfd.readouterr().err


@pytest.mark.parametrize("name", INDICES)
def test_constant_indices_read_what_they_point_to_without_a_warning(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    source, module, x = _built("y = Gather<axis=2>(x, i)", i=INDICES[name])
    (found,) = run_here(build(module, host_target()), [x])
    assert np.array_equal(found, run_onnx(source.reference, [x])[0])
    assert _warnings(module, host_target(), capfd) == ""


@pytest.mark.parametrize("precision", [SINGLE, HALF])
def test_nor_in_a_network_of_kernels(precision: Precision, capfd: pytest.CaptureFixture[str]) -> None:
    source, _, _ = _built("a = Conv(x, w) r = Relu(a) y = Gather<axis=2>(r, i)", w=numbers(4, 4, 3), i=np.array(-1))
    target = find_target("rpi5")
    assert _warnings(network_of(source, target, precision), target, capfd) == ""


def test_indices_that_are_computed_stay_within_the_map() -> None:
    graph = helper.make_graph(
        [helper.make_node("Gather", ["x", "i"], ["y"], axis=1)], "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 9]),
         helper.make_tensor_value_info("i", TensorProto.INT64, [3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 9])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    source, x = read_onnx(model), numbers(1, 4, 9)
    code = build(import_onnx(source), host_target())
    inside = np.array([3, -4, 1])
    assert relative_error(run_here(code, [x, inside])[0], run_onnx(source.reference, [x, inside])[0]) == 0
    (found,) = run_here(code, [x, np.array([0, 1 << 40, 3])])
    assert np.array_equal(found, x[:, [0, 3, 3]])
