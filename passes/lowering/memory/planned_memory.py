"""Memory that a lowered network plans to use while it runs.

Counted: the arena with the maps between our kernels and their workspaces (``plan_arena``), the blocks that TVM laid out
for what its own functions touch, the outputs, and the scratch of the one function of TVM's that needs
most of them. Not counted: the inputs, which are the caller's, the weights, and the runtime itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import tvm
from tvm import relax, s_tir, tirx

_ALLOCATE = "relax.vm.alloc_storage"


@dataclass(frozen=True)
class PlannedMemory:
    """Bytes of activation blocks with the outputs, and of the largest scratch that one function allocates."""

    activations: int
    workspace: int


def planned_memory(lowered: tvm.IRModule) -> PlannedMemory:
    """The plan of a module that ``pipeline.lowering`` made."""
    return PlannedMemory(_activations(lowered["main"]), _workspace(lowered))


def _activations(main: Any) -> int:
    blocks: list[int] = []

    def collect(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, tvm.ir.Op) and node.op.name == _ALLOCATE:
            blocks.append(prod(int(extent) for extent in node.args[0].values))

    relax.analysis.post_order_visit(main, collect)
    return sum(blocks)


def _workspace(module: tvm.IRModule) -> int:
    """The most that any function allocates, once TVM's own lowering has let its buffers share their memory."""
    functions = {v: f for v, f in module.functions_items() if isinstance(f, tirx.PrimFunc)}
    passes = [
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.StorageRewrite(),
    ]
    flat = tvm.transform.Sequential(passes)(tvm.IRModule(functions))
    sizes = s_tir.analysis.calculate_allocated_bytes(flat)
    return max((sum(int(size) for size in scopes.values()) for scopes in sizes.values()), default=0)
