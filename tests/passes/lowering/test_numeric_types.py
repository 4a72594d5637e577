"""Numeric types when a network is lowered: kernels of ours take float32, all else is TVM's; sizes follow the type."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

from rdpass.core.comparison import relative_error
from rdpass.deploy.lowering import build, import_onnx, run_here, workloads_of
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net
from tests.passes.lowering.lowered import kinds_of, lower_checked


def _net(normed: bool) -> tuple[Net, str]:
    net = Net((1, 3, 8, 8))
    x = net.conv("x0", 3, 8, 3)
    x = net.relu(net.norm(x, 8) if normed else x)
    x = net.node("LeakyRelu", net.add(net.conv(x, 8, 8, 3), x), alpha=0.1)
    x = net.node("Flatten", net.node("GlobalAveragePool", net.transposed(x, 8, 8, (2, 2), strides=[2, 2])))
    return net, net.node("Gemm", x, net.numbers(5, 8), net.numbers(5), transB=1)


def _cast(model: onnx.ModelProto, dtype: str) -> onnx.ModelProto:
    """The model with all its numbers in another type."""
    cast = onnx.ModelProto.FromString(model.SerializeToString())
    for weights in cast.graph.initializer:
        weights.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weights).astype(dtype), weights.name))
    for value in (*cast.graph.input, *cast.graph.output, *cast.graph.value_info):
        value.type.tensor_type.elem_type = onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return cast


def test_a_network_in_double_precision_is_tvms() -> None:
    dtype = "float64"
    net, output = _net(normed=True)
    model, inputs = net.model(output), net.example()
    module, target = import_onnx(read_onnx(_cast(model, dtype))), host_target()
    assert len(workloads_of(import_onnx(read_onnx(model)), target)) >= 4
    assert workloads_of(module, target) == ()
    lowered = build(module, target)
    assert sum(fallback.share for fallback in lowered.fallbacks) == pytest.approx(1, abs=1e-4)
    (found,) = run_here(lowered, [value.astype(dtype) for value in inputs])
    assert found.dtype == dtype
    assert relative_error(found, run_onnx(model, inputs)[0]) <= 1e-6


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_network_in_half_precision_is_widened_to_our_kernels(dtype: str) -> None:
    net, output = _net(normed=True)
    halves = _cast(net.model(output), dtype)
    source = read_onnx(halves)
    assert len(workloads_of(import_onnx(source), host_target())) >= 4
    given = [value.astype(source.inputs[0].dtype) for value in net.example()]
    (found,) = run_here(build(import_onnx(source), host_target()), given)
    assert found.dtype == {"float16": np.float16, "bfloat16": np.float32}[dtype]
    assert relative_error(found, run_onnx(source.reference, given)[0]) <= 1e-3


def test_what_is_computed_in_another_type_lies_between_kernels_of_ours() -> None:
    net = Net((1, 16, 8, 8))
    x = net.relu(net.conv("x0", 16, 16, 3))
    x = net.node("Sqrt", net.node("Cast", x, to=TensorProto.DOUBLE))
    x = net.conv(net.node("Cast", x, to=TensorProto.FLOAT), 16, 16, 3)
    _, called = lower_checked(net, x)
    kinds = kinds_of(called)
    assert len([kind for kind in kinds if kind in ("conv", "direct", "winograd")]) == 2, kinds
    assert any("cast" in kind for kind in kinds), kinds
