"""From a checked ONNX model to machine code: into Relax, through the passes, and out as a shared library."""

from __future__ import annotations

import io
import tempfile
import traceback
import warnings
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import tvm
from tvm import relax
from tvm.relax.frontend.onnx import from_onnx, onnx_frontend

from rdpass.core.call_plan import CallPlan
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, TargetError, first_line
from rdpass.core.numeric_types import HALF, SINGLE, Precision
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.kernels.machine import machine_of
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.source import OnnxSource
from rdpass.onnx.tvm_form.pipeline import tvm_form
from rdpass.passes.lowering.dataflow import operator_of, read_dataflow
from rdpass.passes.lowering.match.find_workloads import Occurrence, find_workloads
from rdpass.passes.lowering.memory.planned_memory import PlannedMemory, planned_memory
from rdpass.passes.lowering.pipeline import halved, lower, lower_to_calls, simplify
from rdpass.passes.lowering.read.call_plan import read_plan
from rdpass.passes.lowering.read.constants import PackedConstants, packed_constants
from rdpass.passes.lowering.read.fallbacks import Fallback, KernelCalls, find_fallbacks, find_kernels
from rdpass.passes.tir.pipeline import NAME as TIR_PIPELINE
from rdpass.targets.core_check import check_core
from rdpass.targets.features import Feature
from rdpass.targets.lookup import Target
from rdpass.targets.toolchain import Compiler

# Equal modules are to give equal files: no build id, no symbol that names a temporary file.
LINK_OPTIONS = ("-Wl,--build-id=none", "-s")


@dataclass(frozen=True)
class Lowered:
    """Compiled code that is not yet a file, the memory it plans to use, the bytes of its constants, what computes it
    (kernels of ours, and what none of these computes), and its calls in order."""

    executable: Any
    memory: PlannedMemory
    constants: PackedConstants
    fallbacks: tuple[Fallback, ...]
    kernels: tuple[KernelCalls, ...]
    plan: CallPlan


def tvm_target(target: Target) -> tvm.target.Target:
    """``target`` as TVM says it.

    Raises:
        TargetError: LLVM does not know the CPU (TVM itself would only print so and build for a generic one), or code
            for it may use a feature that the target does not list.
    """
    check_core(target)
    words = {"kind": "llvm", "mtriple": target.triple, "mcpu": target.cpu, "num-cores": target.cores}
    beyond = [f"+{llvm}" for feature, llvm in _BEYOND_LEVELS.items() if target.has(feature)]
    return tvm.target.Target({**words, "mattr": beyond} if beyond else words)


_BEYOND_LEVELS = {Feature.AVX_VNNI: "avxvnni", Feature.AVX512_VNNI: "avx512vnni"}
"""LLVM's names of what x86 CPUs have beyond the level that they are built for."""


@without_tvm_lines()
def import_onnx(source: OnnxSource) -> tvm.IRModule:
    """The model as a Relax module, its weights as constants.

    Raises:
        ConfigError: the model has an operator that TVM does not know, or not in that form.
    """
    label = str(source.path or "the ONNX model")
    formed = tvm_form(source.model, known_operators(), label)
    with without_tvm_lines(), warnings.catch_warnings(), redirect_stdout(io.StringIO()):  # it prints what it fails at
        warnings.simplefilter("ignore")
        try:
            return from_onnx(formed, keep_params_in_input=False)
        except Exception as error:  # the importer raises whatever its operators' converters do
            traceback.clear_frames(error.__traceback__)  # its builder says on stderr that it was not finished
            raise ConfigError(f"TVM can't import {label}: {first_line(error)}") from error


@without_tvm_lines()
def in_float16(module: tvm.IRModule, target: Target) -> tvm.IRModule:
    """``module`` (left as it was), a network of float32, as one that computes in float16."""
    return halved(module, tvm_target(target))


def network_of(source: OnnxSource, target: Target, precision: Precision = SINGLE) -> tvm.IRModule:
    """The network of a model as it computes on ``target``: as the file says it, or in float16."""
    module = import_onnx(source)
    return in_float16(module, target) if precision == HALF else module


_OF_ONNX_RUNTIME = {"Attention"}
"""What TVM's importer takes for ONNX Runtime's operator of the name, which is another one."""


@cache
def known_operators() -> frozenset[str]:
    """The names of ONNX's operators that TVM's importer has."""
    return frozenset(onnx_frontend._get_convert_map()) - _OF_ONNX_RUNTIME


def convolutions_of_volumes(module: tvm.IRModule) -> int:
    """The number of a network's convolutions over three dimensions of space, which no kernel computes."""
    flow = read_dataflow(module["main"])
    return sum(operator_of(value) in ("relax.nn.conv3d", "relax.nn.conv3d_transpose") for _, value in flow.bindings)


@without_tvm_lines()
def workloads_of(module: tvm.IRModule, target: Target, optimize: Optimize = SPEED) -> tuple[Occurrence, ...]:
    """Every distinct workload that kernels compute of ``module`` (left as it was), built for ``target``."""
    machine = machine_of(target, optimize)
    return find_workloads(simplify(module, tvm_target(target), machine), machine)


@without_tvm_lines()
def lower_for(
    module: tvm.IRModule, target: Target, tuned: Mapping[Workload, Tile] | None = None, optimize: Optimize = SPEED
) -> tvm.IRModule:
    """``module`` (left as it was) after every pass, for ``target``; a workload in ``tuned`` has its tile there."""
    return lower(module, tvm_target(target), machine_of(target, optimize), tuned)


@without_tvm_lines()
def calls_for(
    module: tvm.IRModule, target: Target, tuned: Mapping[Workload, Tile] | None = None, optimize: Optimize = SPEED
) -> tvm.IRModule:
    """``module`` (left as it was) as a sequence of calls of functions for ``target``, no memory planned."""
    return lower_to_calls(module, tvm_target(target), machine_of(target, optimize), tuned)


@without_tvm_lines()
def build(
    module: tvm.IRModule, target: Target, tuned: Mapping[Workload, Tile] | None = None, optimize: Optimize = SPEED
) -> Lowered:
    """Lower ``module`` (left as it was) as ``lower_for`` does, and compile it for ``target``."""
    lowered = lower_for(module, target, tuned, optimize)
    executable = tvm.compile(lowered, target=tvm_target(target), relax_pipeline=None, tir_pipeline=TIR_PIPELINE)
    memory, constants = planned_memory(lowered), packed_constants(lowered)
    return Lowered(executable, memory, constants, find_fallbacks(lowered), find_kernels(lowered), read_plan(lowered))


def run_here(lowered: Lowered, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """The outputs of a network built for this machine."""
    with without_tvm_lines():
        machine = relax.VirtualMachine(lowered.executable, tvm.cpu())
    result = machine["main"](*(tvm.runtime.tensor(np.asarray(value, order="C")) for value in inputs))
    outputs = [result] if isinstance(result, tvm.runtime.Tensor) else list(result)
    return tuple(output.numpy() for output in outputs)


def write_library(lowered: Lowered, path: Path, compiler: Compiler) -> None:
    """Link the code into the shared library ``path``.

    Raises:
        TargetError: the compiler failed.
    """
    with tempfile.TemporaryDirectory() as workspace, without_tvm_lines():
        try:
            lowered.executable.export_library(
                path, cc=compiler.command, options=list(LINK_OPTIONS), workspace_dir=workspace
            )
        except RuntimeError as error:
            raise TargetError(f"{compiler.version} could not link {path.name}: {error}") from error
