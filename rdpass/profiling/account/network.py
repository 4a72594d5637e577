"""The account of a lowered network: what its calls take on one core, its memory and its weights.

    time = sum over the calls of (cycles of their blocks + the runtime's share) / clock + bytes from memory / bandwidth

Cycles come from the loops of the very functions that would be compiled (``loops``, ``core_times``), bytes from what the
calls touch (``traffic``), the peak from the very plan of memory. The two terms of time do not overlap.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tvm
from tvm import tirx

from rdpass.core.errors import TargetError
from rdpass.core.tvm_messages import without_tvm_lines
from rdpass.passes.lowering.memory.planned_memory import planned_memory
from rdpass.passes.lowering.read.operands import Span, read_operands
from rdpass.passes.lowering.rewrite.place_kernels import FROM_MEMORY
from rdpass.profiling.account.core_times import core_times
from rdpass.profiling.account.loops import count
from rdpass.profiling.account.traffic import missed_bytes
from rdpass.targets.target import Target


@dataclass(frozen=True)
class Account:
    """One inference on one core of a target, estimated.

    Args:
        ms: milliseconds.
        cycles: of the core, no cache missed.
        dram_bytes: that come from memory.
        peak_bytes: planned: blocks of activations, outputs and the largest workspace of one function; the input is the
            caller's.
        weight_bytes: packed constants, equal ones once.
        code_bytes: of the library beside these.
        calls: how many functions run.
        functions: cycles of all calls of each function.
    """

    ms: float
    cycles: float
    dram_bytes: int
    peak_bytes: int
    weight_bytes: int
    code_bytes: int
    calls: int
    functions: Mapping[str, float]


@without_tvm_lines()
def account_of(lowered: tvm.IRModule, target: Target) -> Account:
    """The account of a module that ``pipeline.lowering`` made for ``target``.

    Raises:
        TargetError: a figure of the target's is not known.
    """
    if not (target.clock_ghz and target.dram_gbps):
        raise TargetError(f"target {target.name} has no clock_ghz or dram_gbps to estimate times with")
    times = core_times(target)
    read = read_operands(lowered["main"])
    calls = read.calls
    runs = Counter(name for name, _ in calls)
    counts = {
        variable.name_hint: count(function)
        for variable, function in lowered.functions_items()
        if isinstance(function, tirx.PrimFunc) and runs[variable.name_hint]
    }
    functions = {
        name: runs[name] * sum(often * times.cycles(block) for block, often in found.blocks.items())
        for name, found in counts.items()
    }
    cycles = sum(functions.values()) + len(calls) * times.dispatch
    dram = missed_bytes([spans for _, spans in calls], target.last_cache_bytes)
    dram += sum(_read_again(lowered[name], spans) for name, spans in calls)
    memory = planned_memory(lowered)
    return Account(
        ms=cycles / target.clock_ghz / 1e6 + dram / target.dram_gbps / 1e6,
        cycles=cycles,
        dram_bytes=dram,
        peak_bytes=memory.activations + memory.workspace,
        weight_bytes=read.constant_bytes,
        code_bytes=_code_bytes([found.instructions for found in counts.values()], len(calls)),
        calls=len(calls),
        functions=functions,
    )


_INSTRUCTION = 4
_FUNCTION = 3900
"""Bytes of a function beside its loops: what it checks its arguments with, and its name and constants."""
_CALL = 840
"""Bytes that the runtime reads of a call."""
_EMPTY = 49_000
"""Bytes of a library without any function."""


def _code_bytes(instructions: Sequence[int], calls: int) -> int:
    """Of a library beside its weights; ``instructions``: of each function once, however often it is called."""
    return _EMPTY + _INSTRUCTION * sum(instructions) + _FUNCTION * len(instructions) + _CALL * calls


def _read_again(function: Any, spans: Sequence[Span]) -> int:
    """Bytes that a kernel of ours reads from memory beyond each operand once: weights that do not stay in the cache."""
    attributes = dict(function.attrs or {})
    if FROM_MEMORY not in attributes:
        return 0
    once = sum(span.bytes for span in spans[:-1])  # the last one is the workspace
    return max(0, int(attributes[FROM_MEMORY]) - once)
