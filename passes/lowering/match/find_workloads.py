"""List every distinct workload of a network, and how often it occurs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import tvm
from tvm import relax

from rdpass.kernels.machine import Machine
from rdpass.kernels.workload import Workload
from rdpass.passes.lowering.dataflow import read_dataflow
from rdpass.passes.lowering.match.choose_placements import choose_placements


@dataclass(frozen=True)
class Occurrence:
    """A workload, the numbers of its first place (``Placement.constants``), and in how many places it occurs."""

    workload: Workload
    constants: tuple[Any, ...] = field(repr=False, compare=False)
    calls: int


def find_workloads(module: tvm.IRModule, machine: Machine) -> tuple[Occurrence, ...]:
    """Of a simplified module, in the order of their first places; pairs are pairs."""
    found: dict[Workload, Occurrence] = {}
    for _, function in module.functions_items():
        if isinstance(function, relax.Function):
            for chosen in choose_placements(read_dataflow(function), machine, {}):
                fresh = Occurrence(chosen.workload, chosen.placement.constants, 0)
                known = found.get(chosen.workload, fresh)
                found[chosen.workload] = replace(known, calls=known.calls + 1)
    return tuple(found.values())
