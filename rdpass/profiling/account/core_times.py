"""Cycles of a block on a core: those of its busiest unit, of the instructions it starts, or of the sums it waits for.

A few figures a core, from the vendors' optimisation guides. Every load is taken for a hit; bytes from memory are
counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rdpass.core.errors import TargetError
from rdpass.profiling.account.block import Block
from rdpass.profiling.emulation.boards import modelled_core
from rdpass.targets.target import Target


@dataclass(frozen=True)
class CoreTimes:
    """Cycles from one instruction of a kind to the next, as ``Block`` tells them apart. ``start``: of any kind;
    ``wait``: from a multiply to one that adds to its sum; ``dispatch``: what the runtime spends on a call."""

    multiply: float
    float_: float
    product: float
    integer: float
    load: float
    store: float
    start: float
    wait: float
    division: float
    call: float
    dispatch: float

    def cycles(self, block: Block) -> float:
        """Cycles of one run."""
        floats, integers = block.multiplies + block.floats, block.products + block.integers
        # An address for each array, and the counter and branch of a loop.
        others = block.pointers + (2 if block.in_loop else 0)
        busiest = max(
            block.multiplies * self.multiply,
            block.products * self.product,
            floats * self.float_ + integers * self.integer,
            block.loads * self.load,
            block.stores * self.store,
            (floats + integers + block.loads + block.stores + others) * self.start,
            block.chain * self.wait,
            1.0,
        )
        return busiest + block.divisions * self.division + block.calls * self.call


SMALL = CoreTimes(
    multiply=1.0, float_=1.0, product=1.0, integer=0.5, load=1.0, store=1.0, start=1 / 3, wait=4, division=28, call=60,
    dispatch=3700,
)  # fmt: skip
LARGE = CoreTimes(
    multiply=0.5, float_=0.5, product=1.0, integer=0.5, load=0.5, store=0.5, start=1 / 4, wait=2, division=10, call=40,
    dispatch=2000,
)  # fmt: skip
WIDE = CoreTimes(
    multiply=0.25, float_=0.25, product=0.5, integer=0.25, load=1 / 3, store=0.5, start=1 / 8, wait=4, division=6,
    call=25, dispatch=1900,
)  # fmt: skip
_CORES: Mapping[str, CoreTimes] = {"cortex-a72": SMALL, "neoverse-n1": LARGE, "neoverse-v1": WIDE}


def core_times(target: Target) -> CoreTimes:
    """The figures of the core that stands for the target's.

    Raises:
        TargetError: there are none, or it is no core of ARM's.
    """
    if target.architecture != "aarch64":
        raise TargetError(f"{target.name} is {target.architecture}; times are estimated for cores of ARM's alone")
    core = modelled_core(target)
    if core not in _CORES:
        raise TargetError(f"{target.name}: no figures of {target.cpu} to estimate cycles with")
    return _CORES[core]
