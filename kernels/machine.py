"""A core as the choice of a kernel sees it: its vectors, caches, the memory behind them, and what is wanted there."""

from __future__ import annotations

from dataclasses import dataclass

from rdpass.core.numeric_types import FLOAT32
from rdpass.core.optimization import SPEED, Optimize
from rdpass.targets.isa import Isa, isa_of
from rdpass.targets.target import Target

_UNKNOWN_L1, _UNKNOWN_L2, _UNKNOWN_BANDWIDTH = 32 << 10, 512 << 10, 2.0


@dataclass(frozen=True)
class Machine:
    """A core and its share of the memory.

    ``threads``: how many a kernel's parallel loops are cut for. ``multiplies``: vector multiply-accumulates of float32
    a cycle. ``l1``, ``l2``: bytes of data cache. ``bandwidth``: bytes a cycle from memory. ``last``: bytes of the cache
    before memory, where that is another than ``l2``. ``optimize``: what kernels are chosen for.
    """

    isa: Isa
    threads: int
    multiplies: float
    l1: int
    l2: int
    bandwidth: float
    last: int = 0
    optimize: Optimize = SPEED


def machine_of(target: Target, optimize: Optimize = SPEED) -> Machine:
    """The core that ``target`` names, with kernels chosen for ``optimize``."""
    isa = isa_of(target)
    return Machine(
        isa=isa,
        threads=target.cores,
        multiplies=max(1.0, target.macs_per_cycle / isa.lanes(FLOAT32)),
        l1=target.l1d_bytes or _UNKNOWN_L1,
        l2=target.l2_bytes or _UNKNOWN_L2,
        bandwidth=target.dram_gbps / target.clock_ghz if target.dram_gbps and target.clock_ghz else _UNKNOWN_BANDWIDTH,
        last=target.l3_bytes,
        optimize=optimize,
    )
