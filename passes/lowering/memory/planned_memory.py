"""Memory that a lowered network plans to use while it runs.

Counted: the arena with the maps between our kernels and their workspaces (``plan_arena``), the blocks that TVM laid out
for what its own functions touch, the outputs, and the scratch of the one function of TVM's that needs
most of them. Not counted: the inputs, which are the caller's, the weights, and the runtime itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import tvm
from tvm import relax, s_tir, tirx

from rdpass.passes.lowering.rewrite.place_kernels import SCHEDULED

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
    """The most that any function allocates, once TVM's own lowering has let its buffers share their memory.

    Compacting the buffers of our kernels, large unrolled functions, takes long and only makes them smaller: it is done
    for those alone whose buffers as they stand could be the most.
    """
    functions = [function for _, function in module.functions_items() if isinstance(function, tirx.PrimFunc)]
    kernels = [function for function in functions if (function.attrs or {}).get(SCHEDULED)]
    most = max(map(_allocated, (f for f in functions if not (f.attrs or {}).get(SCHEDULED))), default=0)
    bounds = [(_allocated(kernel, [tirx.transform.StorageRewrite()]), kernel) for kernel in kernels]
    for bound, kernel in sorted(bounds, key=lambda each: each[0], reverse=True):
        if bound <= most:
            break
        most = max(most, _allocated(kernel))
    return most


def _allocated(function: Any, passes: Sequence[Any] = ()) -> int:
    """Bytes that ``function`` allocates after ``passes``, those of TVM's lowering if not given."""
    flat = tvm.transform.Sequential(list(passes) or _flattening())(tvm.IRModule({"function": function}))
    return max(
        (sum(map(int, scopes.values())) for scopes in s_tir.analysis.calculate_allocated_bytes(flat).values()),
        default=0,
    )


@cache
def _flattening() -> list[Any]:
    return [
        s_tir.transform.LowerInitBlock(),
        s_tir.transform.PlanAndUpdateBufferAllocationLocation(),
        s_tir.transform.ConvertBlocksToOpaque(),
        s_tir.transform.CompactBufferAllocation(),
        s_tir.transform.LowerMatchBuffer(),
        s_tir.transform.LowerOpaqueBlock(),
        tirx.transform.FlattenBuffer(),
        tirx.transform.StorageRewrite(),
    ]
