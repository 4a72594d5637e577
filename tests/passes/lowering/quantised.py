"""A quantised network lowered for this machine: every number compared with its integers, the functions it calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.deploy.lowering import build as build_for
from rdpass.deploy.lowering import import_onnx, lower_for, run_here, tvm_target
from rdpass.kernels.machine import machine_of
from rdpass.onnx.integer_oracle import integer_run
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import Dataflow, read_dataflow
from rdpass.passes.lowering.pipeline import simplify
from rdpass.targets.lookup import find_target, host_target, with_byte_products
from rdpass.targets.target import Target
from tests.onnx.qdq import QdqNet

HERE = with_byte_products(host_target())


def called_exactly(net: QdqNet, *outputs: str, off: float = 0.0) -> list[str]:
    """The functions that the network calls in order; at most a share ``off`` of its outputs differs, by one step."""
    model, inputs = net.model(*outputs), net.example()
    module = import_onnx(read_onnx(model))
    results = run_here(build_for(module, HERE), inputs)
    for name, got, expected in zip(outputs, results, integer_run(model, inputs), strict=True):
        _check(name, got, expected, net.scales.get(name, ("", 0.0))[1], off)
    return called(lower_for(module, HERE))


def _check(name: str, got: Array, expected: Array, step: float, off: float) -> None:
    if step:
        apart = np.rint((got.astype(np.float64) - expected) / step)
        assert np.abs(apart).max(initial=0) <= (off > 0), name
        assert (apart != 0).mean() <= off, name
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def called(lowered: Any) -> list[str]:
    calls = [binding.value for block in lowered["main"].body.blocks for binding in block.bindings]
    return [
        call.op.name_hint for call in calls if isinstance(call, relax.Call) and isinstance(call.op, relax.GlobalVar)
    ]


def kinds_for(net: QdqNet, target: str, *outputs: str) -> list[str]:
    """The functions called on another core."""
    return called(lower_for(import_onnx(read_onnx(net.model(*outputs))), find_target(target)))


def integers_of(called: list[str]) -> list[str]:
    """The kernels of bytes among functions, by type and kind: u8_direct. Those at the ends are left out."""
    inner = (name for name in called if name.startswith(("u8_", "s8_")) and "quantize_" not in name)
    return ["_".join(name.split("_")[:2]) for name in inner]


def flow_of(net: QdqNet, *outputs: str, target: Target = HERE) -> Dataflow:
    """The simplified network, as finders read it."""
    module: tvm.IRModule = import_onnx(read_onnx(net.model(*outputs)))
    return read_dataflow(simplify(module, tvm_target(target), machine_of(target))["main"])
