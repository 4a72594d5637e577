"""From the module that TVM's importer made to a sequence of calls, and on to what its virtual machine runs.

Every pass, in order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tvm
from tvm import relax
from tvm.relax import transform

from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.passes.lowering.memory.order_layers import OrderLayers
from rdpass.passes.lowering.memory.plan_arena import PlanArena
from rdpass.passes.lowering.memory.share_maps import ShareMaps
from rdpass.passes.lowering.rewrite.bound_takes import BoundTakes
from rdpass.passes.lowering.rewrite.fold_batch_norm import FoldBatchNorm
from rdpass.passes.lowering.rewrite.fold_constants import FoldConstants
from rdpass.passes.lowering.rewrite.half_precision import HalfPrecision
from rdpass.passes.lowering.rewrite.keep_integers import KeepIntegers, ReleaseIntegers
from rdpass.passes.lowering.rewrite.legalize import LegalizeOpsButViews
from rdpass.passes.lowering.rewrite.place_kernels import PlaceKernels
from rdpass.passes.lowering.rewrite.reshape_constants import ReshapeConstants
from rdpass.passes.lowering.rewrite.restore_extrema import RestoreExtrema
from rdpass.passes.lowering.rewrite.widen_sums import WidenSums


def simplification(machine: Machine) -> tuple[Any, ...]:
    """The passes before any kernel: what these leave is what kernels are found in."""
    return (
        BoundTakes(),
        # TVM's rewriting in these two makes one of equal calls, which KeepIntegers takes apart.
        RestoreExtrema(),
        ReshapeConstants(),  # faster than to fold them
        KeepIntegers(),
        transform.CanonicalizeBindings(),
        FoldConstants(),
        FoldBatchNorm(),
        ReleaseIntegers(machine),
        FoldConstants(),
        transform.DeadCodeElimination(),
        OrderLayers(machine),
    )


def lowering_to_calls(machine: Machine, tuned: Mapping[Workload, Tile]) -> tuple[Any, ...]:
    """The passes to a sequence of allocations and calls of functions that return nothing.

    Like those below, they are for a core, and are to run with its TVM target current.
    """
    return (
        # 1. Operators as the network means them, every constant computed
        *simplification(machine),
        WidenSums(machine),
        # 2. Our kernels, and the constants they packed
        PlaceKernels(machine, tuned),
        FoldConstants(),
        # 3. TVM's own functions for the rest, fused
        relax.backend.DispatchSortScan(),
        LegalizeOpsButViews(),
        transform.AnnotateTIROpPattern(),
        FoldConstants(),
        transform.FuseOps(),
        transform.FuseTIR(),
        transform.DeadCodeElimination(),
        # 4. Every result written where the caller says
        transform.ToNonDataflow(),
        transform.RemovePurityChecking(),
        transform.CallTIRRewrite(),
        transform.CanonicalizeBindings(),
        # 5. Maps inside others
        ShareMaps(),
    )


def lowering(machine: Machine, tuned: Mapping[Workload, Tile]) -> tuple[Any, ...]:
    """The passes to the virtual machine."""
    return (
        *lowering_to_calls(machine, tuned),
        # 6. Memory, planned ahead
        PlanArena(),
        transform.StaticPlanBlockMemory(),
        # 7. Instructions of the virtual machine
        transform.LowerAllocTensor(),
        transform.KillAfterLastUse(),
        transform.LowerRuntimeBuiltin(),
        transform.ComputePrimValue(),
        transform.VMShapeLower(),
        transform.AttachGlobalSymbol(),
    )


def halved(module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    """A network of float32 that computes in float16; ``module`` is left as it was."""
    passes = BoundTakes(), RestoreExtrema(), transform.CanonicalizeBindings(), ReshapeConstants()
    return _run((*passes, FoldConstants(), FoldBatchNorm(), HalfPrecision()), module, target)


def simplify(module: tvm.IRModule, target: tvm.target.Target, machine: Machine) -> tvm.IRModule:
    """``module`` before any kernel; it is left as it was."""
    with target:
        return tvm.transform.Sequential(list(simplification(machine)))(module)


def lower(
    module: tvm.IRModule, target: tvm.target.Target, machine: Machine, tuned: Mapping[Workload, Tile] | None = None
) -> tvm.IRModule:
    """``module`` after every pass, with the tiles in ``tuned`` for their workloads; it is left as it was."""
    return _run(lowering(machine, tuned or {}), module, target)


def lower_to_calls(
    module: tvm.IRModule, target: tvm.target.Target, machine: Machine, tuned: Mapping[Workload, Tile] | None = None
) -> tvm.IRModule:
    """``module`` as a sequence of allocations and calls, ``tuned`` as in ``lower``; it is left as it was."""
    return _run(lowering_to_calls(machine, tuned or {}), module, target)


def _run(passes: tuple[Any, ...], module: tvm.IRModule, target: tvm.target.Target) -> tvm.IRModule:
    with target:
        return tvm.transform.Sequential(list(passes))(module)
