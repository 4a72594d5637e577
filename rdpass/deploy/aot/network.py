"""A network in C: lowered to calls, its functions compiled, its arena planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import tvm

from rdpass.core.call_plan import COPY, CallPlan, PlannedCall
from rdpass.core.optimization import SPEED, Optimize
from rdpass.core.tensor_spec import TensorSpec
from rdpass.deploy.aot.arena import Arena, plan, planned_maps
from rdpass.deploy.aot.functions import Functions, compile_functions
from rdpass.deploy.aot.names import PREFIX
from rdpass.deploy.lowering import calls_for
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.onnx.source import OnnxSource
from rdpass.passes.lowering.memory.arena import ALIGNMENT
from rdpass.passes.lowering.memory.planned_memory import PlannedMemory
from rdpass.passes.lowering.read.constants import PackedConstants, packed_constants
from rdpass.passes.lowering.read.fallbacks import (
    Fallback,
    KernelCalls,
    called_functions,
    find_fallbacks,
    find_kernels,
)
from rdpass.passes.lowering.read.find_calls import CallSequence, find_calls
from rdpass.targets.lookup import Target

HEADER_BYTES = ALIGNMENT
"""What a model keeps of its own at the beginning of the arena."""


@dataclass(frozen=True)
class Network:
    """All that there is to say in C: compiled functions, their calls, and where everything lies.

    ``fallbacks``: the functions that no kernel of ours computes. ``prefix``: what its names in C begin with.
    ``processing``: sentences on what is done within it to an image and to scores.
    """

    sequence: CallSequence
    functions: Functions
    arena: Arena
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    target: Target
    constants: PackedConstants
    fallbacks: tuple[Fallback, ...]
    kernels: tuple[KernelCalls, ...]
    plan: CallPlan
    prefix: str
    processing: tuple[str, ...] = ()

    @property
    def arena_bytes(self) -> int:
        """Bytes that a program provides."""
        return HEADER_BYTES + self.arena.bytes

    @property
    def memory(self) -> PlannedMemory:
        """The arena, which holds everything but inputs and outputs: these are the caller's."""
        return PlannedMemory(activations=self.arena_bytes, workspace=0)


def build_aot(
    source: OnnxSource, module: tvm.IRModule, target: Target, tuned: Mapping[Workload, Tile] | None = None,
    prefix: str = PREFIX, optimize: Optimize = SPEED,
) -> Network:  # fmt: skip
    """``module``, which was imported from ``source`` and is left as it was, in C for ``target``.

    A workload in ``tuned`` has its tile there; names begin with ``prefix``.

    Raises:
        ConfigError: the network does what needs TVM's runtime; the message names it.
        TargetError: LLVM does not know the target's CPU.
    """
    lowered = calls_for(module, target, tuned, optimize)
    sequence = find_calls(lowered)
    functions = compile_functions(lowered, target)
    arena = plan(sequence, functions.lifted)
    return Network(
        sequence, functions, arena, source.inputs, source.outputs, target, packed_constants(lowered),
        find_fallbacks(lowered), find_kernels(lowered), _plan(lowered, sequence, functions.lifted, arena), prefix,
        tuple(source.processing.words()) if source.processing else (),
    )  # fmt: skip


def _plan(
    lowered: tvm.IRModule, sequence: CallSequence, lifted: Mapping[str, tuple[int, ...]], arena: Arena
) -> CallPlan:
    """The calls in order; what is copied in the end is one more."""
    functions = {function.name: function for function in called_functions(lowered)}
    calls = [
        PlannedCall(
            call.function, functions[call.function].operations, functions[call.function].bytes,
            sum(sequence.constants[place.index].nbytes for place in call.operands if place.kind == "constant"),
        )
        for call in sequence.calls
    ]  # fmt: skip
    if sequence.copies:
        calls.append(PlannedCall(COPY, 0, 2 * sum(copy.bytes for copy in sequence.copies), 0))
    maps = planned_maps(sequence, lifted, arena, HEADER_BYTES)
    return CallPlan(tuple(calls), maps, HEADER_BYTES + arena.bytes)
