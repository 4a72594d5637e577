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
    """A kernel of ours by its name, which says its type first, and how often the network calls it."""

    name: str
    calls: int


def find_kernels(lowered: tvm.IRModule) -> tuple[KernelCalls, ...]:
    """The kernels of a module that ``pipeline.lowering`` made, by name."""
    calls = _calls(lowered["main"])
    ours = (name for name, function in _functions(lowered).items() if function.attrs and function.attrs.get(SCHEDULED))
    return tuple(KernelCalls(name, calls[name]) for name in sorted(ours) if calls[name])


def find_fallbacks(lowered: tvm.IRModule) -> tuple[Fallback, ...]:
    """The fallbacks of a module that ``pipeline.lowering`` made, most operations first."""
    calls = _calls(lowered["main"])
    functions = {name: function for name, function in _functions(lowered).items() if calls[name]}
    counts = {name: calls[name] * _operations(function) for name, function in functions.items()}
    every = max(1, sum(counts.values()))
    found = [
        Fallback(name, calls[name], counts[name], round(counts[name] / every, 6))
        for name, function in functions.items()
        if not (function.attrs and function.attrs.get(SCHEDULED))
    ]
    return tuple(sorted(found, key=lambda fallback: (-fallback.operations, fallback.function)))


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
