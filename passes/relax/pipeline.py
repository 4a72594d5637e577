"""From the module that TVM's importer made to a sequence of calls, and on to what its virtual machine runs.

Every pass, in order.
"""

from __future__ import annotations

from typing import Any

import tvm
from tvm import relax
from tvm.relax import transform

from rdpass.kernels.machine import Machine
from rdpass.passes.relax.legalize import LegalizeOpsButViews
from rdpass.passes.relax.place_kernels import PlaceKernels
from rdpass.passes.relax.plan_arena import PlanArena
from rdpass.passes.relax.restore_extrema import RestoreExtrema


def lowering_to_calls(machine: Machine) -> tuple[Any, ...]:
    """The passes to a sequence of allocations and calls of functions that return nothing.

    Like those below, they are for a core, and are to run with its TVM target current.
    """
    return (
        # 1. Operators as the network means them, every constant computed
        RestoreExtrema(),
        transform.CanonicalizeBindings(),
        transform.FoldConstant(),
        transform.DeadCodeElimination(),
        # 2. Our kernels, and the constants they packed
        PlaceKernels(machine),
        transform.FoldConstant(),
        # 3. TVM's own functions for the rest, fused
        relax.backend.DispatchSortScan(),
        LegalizeOpsButViews(),
        transform.AnnotateTIROpPattern(),
        transform.FoldConstant(),
        transform.FuseOps(),
        transform.FuseTIR(),
        transform.DeadCodeElimination(),
        # 4. Every result written where the caller says
        transform.ToNonDataflow(),
        transform.RemovePurityChecking(),
        transform.CallTIRRewrite(),
    )


def lowering(machine: Machine) -> tuple[Any, ...]:
    """The passes to the virtual machine."""
    return (
        *lowering_to_calls(machine),
        # 5. Memory, planned ahead
        PlanArena(),
        transform.StaticPlanBlockMemory(),
        # 6. Instructions of the virtual machine
        transform.LowerAllocTensor(),
        transform.KillAfterLastUse(),
        transform.LowerRuntimeBuiltin(),
        transform.ComputePrimValue(),
        transform.VMShapeLower(),
        transform.AttachGlobalSymbol(),
    )


def lower(module: tvm.IRModule, target: tvm.target.Target, machine: Machine) -> tvm.IRModule:
    """``module`` after every pass; it is left as it was."""
    return _run(lowering(machine), module, target)


def lower_to_calls(module: tvm.IRModule, target: tvm.target.Target, machine: Machine) -> tvm.IRModule:
    """``module`` as a sequence of allocations and calls; it is left as it was."""
    return _run(lowering_to_calls(machine), module, target)


def _run(passes: tuple[Any, ...], module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    with target:
        return tvm.transform.Sequential(list(passes))(module)
