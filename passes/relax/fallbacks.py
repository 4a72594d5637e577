"""List what no kernel of ours computes: the functions of a lowered module that TVM made and nobody scheduled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import relax, s_tir, tirx

from rdpass.passes.relax.place_kernels import SCHEDULED


@dataclass(frozen=True)
class Fallback:
    """A function lowered by TVM, how often the network calls it, and the arithmetic operations of all its calls."""

    function: str
    calls: int
    operations: int


def find_fallbacks(lowered: tvm.IRModule) -> tuple[Fallback, ...]:
    """The fallbacks of a module that ``pipeline.lowering`` made, most operations first."""
    calls = _calls(lowered["main"])
    found = [
        Fallback(name, calls[name], calls[name] * _operations(function))
        for name, function in _functions(lowered).items()
        if calls[name] and not (function.attrs and function.attrs.get(SCHEDULED))
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
    return int(s_tir.analysis.estimate_tir_flops(tvm.IRModule({"main": function})))
