"""A network lowered for this host: its numbers compared, the functions it calls, and what it is read as."""

from __future__ import annotations

from typing import Any

import numpy as np
import tvm
from tvm import relax

from rdpass.core.comparison import relative_error
from rdpass.deploy.lowering import import_onnx, lower_for, tvm_target
from rdpass.kernels.machine import machine_of
from rdpass.onnx.oracle import run_onnx
from rdpass.onnx.source import read_onnx
from rdpass.passes.lowering.dataflow import Dataflow, operator_of, read_dataflow
from rdpass.passes.lowering.pipeline import simplify
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.lookup import host_target
from tests.onnx.nets import Net


def lower_checked(net: Net, *outputs: str) -> tuple[Any, list[str]]:
    """The lowered module, its numbers compared with ONNX Runtime's, and the functions it calls in order."""
    model, inputs = net.model(*outputs), net.example()
    target = host_target()
    lowered = lower_for(import_onnx(read_onnx(model)), target)
    executable = tvm.compile(lowered, target=tvm_target(target), relax_pipeline=None, tir_pipeline=TIR_PIPELINE)
    given = [tvm.runtime.tensor(value) for value in inputs]
    result = relax.VirtualMachine(executable, tvm.cpu())["main"](*given)
    results = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
    for name, got, expected in zip(outputs, results, run_onnx(model, inputs), strict=True):
        assert relative_error(got.numpy(), expected) <= 1e-5, name
    assert all(np.array_equal(before, after.numpy()) for before, after in zip(inputs, given, strict=True))
    return lowered, _called(lowered)


def _called(lowered: Any) -> list[str]:
    calls = [binding.value for block in lowered["main"].body.blocks for binding in block.bindings]
    return [
        call.op.name_hint for call in calls if isinstance(call, relax.Call) and isinstance(call.op, relax.GlobalVar)
    ]


def kinds_of(called: list[str]) -> list[str]:
    """What the functions are: a kernel's name without type and shape, or TVM's whole name."""
    return [name.split("_")[1] if name.startswith("f32_") else name.removeprefix("fused_") for name in called]


def workspace_of(lowered: Any) -> int:
    return max(
        4 * int(f.attrs["rdpass.workspace"]) for _, f in lowered.functions_items() if "rdpass.workspace" in f.attrs
    )


def classes_of(net: Net, x: str, channels: int) -> str:
    pooled = net.node("Flatten", net.node("GlobalAveragePool", x))
    return net.node("Gemm", pooled, net.numbers(channels, 5), net.numbers(5))


def flow_of(net: Net, *outputs: str) -> Dataflow:
    """The network as kernels are found in it: simplified, for this host."""
    module = import_onnx(read_onnx(net.model(*outputs)))
    return read_dataflow(simplify(module, tvm_target(host_target()), machine_of(host_target()))["main"])


def calls_of(flow: Dataflow, operator: str) -> list[Any]:
    """The variables bound to calls of ``operator``, named without ``relax.``."""
    return [variable for variable, value in flow.bindings if operator_of(value) == f"relax.{operator}"]


def operators_of(module: Any) -> list[str]:
    """The names of all operators that the main function calls, some of them more than once."""
    names: list[str] = []

    def collect(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, tvm.ir.Op):
            names.append(node.op.name)

    relax.analysis.post_order_visit(module["main"], collect)
    return names
