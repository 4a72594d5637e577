"""List the functions that a lowered module calls: kernels of ours, and what TVM made and nobody scheduled.

The share of time is an estimate in cycles: of a kernel by the cost model, of a function of TVM's by what its loops do.

    reductions    2 cycles an operation      measured 1.4 to 3.3: convolutions, products, sums, softmax
    all else      a cycle for 4 bytes        measured 2 to 32 bytes: changes of layout the slowest, contiguous loops the
                                             fastest

So copies, pads and changes of layout, which have no operations, count as well. Cores differ; the order of the functions
is what it is for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import tvm
import tvm_ffi
from tvm import relax, s_tir, tirx

from rdpass.passes.lowering.rewrite.place_kernels import CYCLES, OPERATIONS, SCHEDULED

_CYCLES_AN_OPERATION, _BYTES_A_CYCLE = 2.0, 4.0


@dataclass(frozen=True)
class Fallback:
    """A function lowered by TVM, how often the network calls it, the arithmetic operations of all its calls, the bytes
    that these read and write, and their share of the time that the network is estimated to take.
    """

    function: str
    calls: int
    operations: int
    bytes: int
    share: float


@dataclass(frozen=True)
class KernelCalls:
    """A kernel of ours by its name, which says its type first, how often the network calls it, and its share of the
    network's arithmetic operations.
    """

    name: str
    calls: int
    share: float


@dataclass(frozen=True)
class CalledFunction:
    """What the network calls, whether it is a kernel of ours, how often, and of one call the arithmetic operations, the
    bytes of its tensors (a kernel's workspace is none), and the estimated cycles."""

    name: str
    ours: bool
    calls: int
    operations: int
    bytes: int
    cycles: float


def find_kernels(lowered: tvm.IRModule) -> tuple[KernelCalls, ...]:
    """The kernels of a module that ``pipeline.lowering`` made, by name."""
    functions = called_functions(lowered)
    every = max(1, sum(f.calls * f.operations for f in functions))
    return tuple(
        KernelCalls(f.name, f.calls, round(f.calls * f.operations / every, 6))
        for f in sorted(functions, key=lambda f: f.name)
        if f.ours
    )


def find_fallbacks(lowered: tvm.IRModule) -> tuple[Fallback, ...]:
    """The fallbacks of a module that ``pipeline.lowering`` made, those that take most time first."""
    functions = called_functions(lowered)
    every = max(1.0, sum(f.calls * f.cycles for f in functions))
    found = [
        Fallback(f.name, f.calls, f.calls * f.operations, f.calls * f.bytes, round(f.calls * f.cycles / every, 6))
        for f in functions
        if not f.ours
    ]
    return tuple(sorted(found, key=lambda fallback: (-fallback.share, fallback.function)))


def called_functions(module: tvm.IRModule) -> tuple[CalledFunction, ...]:
    """The functions that a module calls, one that ``pipeline.lowering`` or ``lowering_to_calls`` made."""
    calls = _calls(module["main"])
    return tuple(
        _read(variable.name_hint, function, calls[variable.name_hint])
        for variable, function in module.functions_items()
        if isinstance(function, tirx.PrimFunc) and calls[variable.name_hint]
    )


def _calls(main: Any) -> Counter[str]:
    calls: Counter[str] = Counter()

    def count(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, relax.GlobalVar):
            calls[node.op.name_hint] += 1

    relax.analysis.post_order_visit(main, count)
    return calls


def _read(name: str, function: Any, calls: int) -> CalledFunction:
    """Operations and cycles are as a kernel of ours says; as TVM counts the operations, and estimated, otherwise."""
    attributes = dict(function.attrs or {})
    if attributes.get(SCHEDULED):
        moved = _bytes(function.params[:-1])  # the last one is its workspace
        return CalledFunction(name, True, calls, int(attributes[OPERATIONS]), moved, float(attributes[CYCLES]))
    moved = _bytes(function.params)
    operations = int(s_tir.analysis.estimate_tir_flops(tvm.IRModule({"main": function})))
    reducing = operations * _CYCLES_AN_OPERATION if _reduces(function) else 0.0
    return CalledFunction(name, False, calls, operations, moved, max(reducing, moved / _BYTES_A_CYCLE))


def _bytes(parameters: Sequence[Any]) -> int:
    """Of tensors that a function takes and gives; those of unknown size count as nothing."""
    sizes = []
    for buffer in parameters:
        extents = list(getattr(buffer, "shape", [0]))
        if all(isinstance(extent, int | tirx.IntImm) for extent in extents):
            kind = tvm.DataType(str(buffer.dtype))
            sizes.append(prod(int(extent) for extent in extents) * int(kind.bits) * int(kind.lanes) // 8)
    return sum(sizes)


def _reduces(function: Any) -> bool:
    """Tell whether any of its loops adds up, or the like."""
    found: list[bool] = []
    tvm_ffi.structural_walk(function.body, (s_tir.SBlock, lambda block: found.append(block.init is not None)))
    return any(found)
