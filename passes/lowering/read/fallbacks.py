"""List the functions that a lowered module calls: kernels of ours, and what TVM made and nobody scheduled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import relax, s_tir, tirx

from rdpass.passes.lowering.rewrite.place_kernels import OPERATIONS, SCHEDULED


@dataclass(frozen=True)
class Fallback:
    """A function lowered by TVM, how often the network calls it, the arithmetic operations of all its calls, and their
    share of the network's.
    """

    function: str
    calls: int
    operations: int
    share: float


@dataclass(frozen=True)
class KernelCalls:
    """A kernel of ours by its name, which says its type first, how often the network calls it, and its share of the
    network's arithmetic operations.
    """

    name: str
    calls: int
    share: float


def find_kernels(lowered: tvm.IRModule) -> tuple[KernelCalls, ...]:
    """The kernels of a module that ``pipeline.lowering`` made, by name."""
    functions, calls, counts = _counted(lowered)
    every = max(1, sum(counts.values()))
    return tuple(
        KernelCalls(name, calls[name], round(counts[name] / every, 6))
        for name, function in sorted(functions.items())
        if _is_ours(function)
    )


def find_fallbacks(lowered: tvm.IRModule) -> tuple[Fallback, ...]:
    """The fallbacks of a module that ``pipeline.lowering`` made, most operations first."""
    functions, calls, counts = _counted(lowered)
    every = max(1, sum(counts.values()))
    found = [
        Fallback(name, calls[name], counts[name], round(counts[name] / every, 6))
        for name, function in functions.items()
        if not _is_ours(function)
    ]
    return tuple(sorted(found, key=lambda fallback: (-fallback.operations, fallback.function)))


def _counted(lowered: tvm.IRModule) -> tuple[dict[str, Any], Counter[str], dict[str, int]]:
    """The functions that the network calls, how often, and the operations of all calls of each."""
    calls = _calls(lowered["main"])
    functions = {name: function for name, function in _functions(lowered).items() if calls[name]}
    return functions, calls, {name: calls[name] * _operations(function) for name, function in functions.items()}


def _is_ours(function: Any) -> bool:
    return bool(function.attrs and function.attrs.get(SCHEDULED))


def _functions(module: tvm.IRModule) -> dict[str, Any]:
    return {
        variable.name_hint: function
        for variable, function in module.functions_items()
        if isinstance(function, tirx.PrimFunc)
    }


def _calls(main: Any) -> Counter[str]:
    calls: Counter[str] = Counter()

    def count(node: Any) -> None:
        if isinstance(node, relax.Call) and isinstance(node.op, relax.GlobalVar):
            calls[node.op.name_hint] += 1

    relax.analysis.post_order_visit(main, count)
    return calls


def _operations(function: Any) -> int:
    """Of one call: as a kernel of ours says, as TVM counts them otherwise."""
    said = function.attrs.get(OPERATIONS) if function.attrs else None
    if said is not None:
        return int(said)
    return int(s_tir.analysis.estimate_tir_flops(tvm.IRModule({"main": function})))
