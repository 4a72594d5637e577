"""Sums of float16 that are TVM's to compute: in float32, right where float16 would stop counting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from rdpass.deploy.lowering import build, import_onnx, in_float16, run_here
from rdpass.kernels.machine import machine_of
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import operator_of, read_dataflow
from rdpass.passes.lowering.rewrite.widen_sums import WidenSums
from rdpass.targets.lookup import find_target, host_target
from tests.onnx.nets import Net

LONG = 4096


def mean_over_channels(net: Net) -> str:
    return net.node("ReduceMean", "x0", net.constant(np.array([1])), keepdims=1)


def product(net: Net) -> str:
    return net.node("MatMul", net.node("Transpose", "x0", perm=[0, 2, 3, 1]), "x1")


def convolution(net: Net) -> str:
    return net.node("Conv", "x0", net.constant(np.full((4, LONG, 1, 1), 1 / LONG, np.float32)))


@pytest.mark.parametrize("write", [mean_over_channels, product, convolution], ids=lambda write: write.__name__)
def test_a_long_sum_is_right_on_a_machine_that_has_no_kernels_of_float16(write: Callable[[Net], str]) -> None:
    shapes = (1, LONG, 3, 2), (LONG, 4)
    net = Net(*shapes[: 2 if write is product else 1])
    module = in_float16(import_onnx(read_onnx(net.model(write(net)))), host_target())
    given = [
        np.full(shape, 1.0 if index == 0 else 1 / LONG, np.float32) for index, shape in enumerate(net.inputs.values())
    ]
    (found,) = run_here(build(module, host_target()), given)
    assert np.abs(found - 1.0).max() <= 2**-10


def _sums(module: Any, board: str) -> dict[str, str]:
    """The operators that add up, and the type they give, after the pass."""
    before = module.script()
    widened = WidenSums(machine_of(find_target(board)))(module)
    assert module.script() == before
    bindings = read_dataflow(widened["main"]).bindings
    sums = {"relax.mean", "relax.nn.conv2d", "relax.matmul"}
    return {operator_of(value): str(v.ty.dtype) for v, value in bindings if operator_of(value) in sums}


def test_what_kernels_compute_stays_in_float16_beside_what_they_do_not() -> None:
    net = Net((1, 3, 9, 7))
    x = net.relu(net.conv(net.relu(net.conv("x0", 3, 32, 3)), 32, 32))
    mean = net.node("ReduceMean", x, net.constant(np.array([1])), keepdims=1)
    module = in_float16(import_onnx(read_onnx(net.model(net.node("Mul", x, mean)))), find_target("rpi5"))
    assert _sums(module, "rpi5") == {"relax.nn.conv2d": "float16", "relax.mean": "float32"}


def test_a_network_of_float32_is_left_as_it_is() -> None:
    net = Net((1, 16, 9, 7))
    module = import_onnx(read_onnx(net.model(mean_over_channels(net))))
    assert WidenSums(machine_of(host_target()))(module)["main"].same_as(module["main"])
