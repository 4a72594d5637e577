"""The plan of a lowered network: its calls in order, what each computes and touches, and where in memory maps lie."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace

import tvm

from rdpass.core.call_plan import CallPlan, MapKind, PlannedCall, PlannedMap
from rdpass.passes.lowering.read.fallbacks import called_functions
from rdpass.passes.lowering.read.operands import Span, read_operands


def read_plan(lowered: tvm.IRModule) -> CallPlan:
    """The plan of a module that ``pipeline.lowering`` made. Its blocks of memory lie one behind another."""
    functions = {function.name: function for function in called_functions(lowered)}
    operands = read_operands(lowered["main"])
    calls = []
    for name, spans in operands.calls:
        weights = sum(span.bytes for span in spans if span.place in operands.constants)
        calls.append(PlannedCall(name, functions[name].operations, functions[name].bytes, weights))
    bases: dict[Hashable, int] = {}
    end = 0
    for place, size in operands.storages.items():
        bases[place], end = end, end + size
    scratch = {spans[-1].tensor for name, spans in operands.calls if functions[name].ours and spans and spans[-1].bytes}
    maps = _maps([spans for _, spans in operands.calls], bases, scratch, {span.tensor for span in operands.results})
    return CallPlan(tuple(calls), maps, end)


def _maps(
    calls: Sequence[Sequence[Span]], bases: dict[Hashable, int], scratch: set[Hashable], results: set[Hashable]
) -> tuple[PlannedMap, ...]:
    """The tensors in blocks of memory, from the first call that touches one to the last; outputs stay to the end."""
    found: dict[Hashable, PlannedMap] = {}
    for index, spans in enumerate(calls):
        for span in spans:
            if span.place not in bases or not span.bytes:
                continue
            known = found.get(span.tensor)
            if known is None:
                kind: MapKind = "map"
                kind = "output" if span.tensor in results else "scratch" if span.tensor in scratch else kind
                offset = bases[span.place] + span.offset
                found[span.tensor] = PlannedMap(offset, span.bytes, index, index, kind)
            else:
                found[span.tensor] = replace(known, last=index)
    ends = (replace(each, last=len(calls) - 1) if each.kind == "output" else each for each in found.values())
    return tuple(sorted(ends, key=lambda each: (each.offset, each.first)))
