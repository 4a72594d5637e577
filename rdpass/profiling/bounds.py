"""What bounds a call: the arithmetic of the cores or the bandwidth of memory, by its time; an estimate.

    arithmetic = multiplications / (cores used x clock x multiplications a cycle)
    memory     = bytes that have to come from memory / bandwidth

1. A call is bound by the larger one where that is at least half of the measured time. Where neither is, the call waits
   for something else: latency, caches, other threads, or work beside multiplications.
2. Multiplications are those that the kernel does: Winograd's algorithms do fewer than the layer has.
3. Bytes from memory are the call's weights, unless all weights and the planned memory fit into the last cache together,
   and all that it touches where that alone exceeds the cache.
4. A call below ``SHORTEST_MS`` is said to be short: what it takes to call it is most of it.

Peaks are those of the target's figures, which are approximate themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from rdpass.core.call_plan import PlannedCall
from rdpass.core.numeric_types import FLOAT16, FLOAT32, INT8, UINT8
from rdpass.targets.isa import Multiply, isa_of
from rdpass.targets.target import Target

SHORTEST_MS = 0.005
LEAST_SHARE = 0.5

BoundKind = Literal["arithmetic", "memory", "neither", "short", "unknown"]

_WINOGRAD = re.compile(r"_winograd(\d)(?:x(\d))?_k3x3_(?!s2)")
_BYTES = (INT8.abbreviation, UINT8.abbreviation)


@dataclass(frozen=True)
class Bound:
    """An estimate of what bounds a call: its kind, and the shares of the peak of arithmetic and of the bandwidth that
    the call reached; None where the target's figures are not known."""

    kind: BoundKind
    arithmetic: float | None = None
    memory: float | None = None


@dataclass(frozen=True)
class Machine:
    """The machine that calls ran on: ``target``, how many of its cores, and whether its last cache holds all weights
    and maps at once."""

    target: Target
    cores: int
    keeps_all: bool


def bound_of(call: PlannedCall, ms: float, machine: Machine) -> Bound:
    """What bounds ``call``, which took ``ms`` milliseconds.

    Example:
        >>> board = Target("x", "aarch64-linux-gnu", "cortex-a72", 4, ("asimd",), 1.5, 4, dram_gbps=4.0)
        >>> call = PlannedCall("f32_direct_k3x3", 2 * 10**9, 10**6, 10**5)
        >>> bound_of(call, 200.0, Machine(board, 1, True)).kind
        'arithmetic'
    """
    target = machine.target
    if not (target.peak_macs_per_second and target.dram_gbps):
        return Bound("unknown")
    if ms <= 0:
        return Bound("short")
    seconds = ms / 1e3
    peak = target.peak_macs_per_second * machine.cores * multiplies_per_fma(call.function, target)
    arithmetic = call.operations / 2 / winograd_ratio(call.function) / peak / seconds
    memory = _from_memory(call, machine) / (target.dram_gbps * 1e9) / seconds
    if max(arithmetic, memory) >= LEAST_SHARE:
        return Bound("arithmetic" if arithmetic >= memory else "memory", arithmetic, memory)
    return Bound("short" if ms < SHORTEST_MS else "neither", arithmetic, memory)


def multiplies_per_fma(function: str, target: Target) -> float:
    """How many multiplications of a kernel's numbers, told by its name, a core does in the time of one of float32."""
    kind = function.partition("_")[0]
    found = next((m for m in isa_of(target).multiplies if _does(m, kind)), None)
    if found is None:
        return 1.0
    instructions = found.name.count("+") + 1 if not found.input.is_float else 1
    return found.depth * FLOAT32.bytes / found.accumulator.bytes / instructions


def _does(multiply: Multiply, kind: str) -> bool:
    if kind in _BYTES:
        return not multiply.input.is_float
    return multiply.input is FLOAT16 if kind == FLOAT16.abbreviation else False


def winograd_ratio(function: str) -> float:
    """Multiplications of a convolution for one that its kernel does, told by its name: F(m x n, 3 x 3)."""
    found = _WINOGRAD.search(function)
    if found is None:
        return 1.0
    rows, columns = int(found[1]), int(found[2] or found[1])
    return 9 * rows * columns / ((rows + 2) * (columns + 2))


def _from_memory(call: PlannedCall, machine: Machine) -> int:
    cache = machine.target.last_cache_bytes
    if cache and call.bytes > cache:
        return call.bytes
    return 0 if machine.keeps_all else call.weights
