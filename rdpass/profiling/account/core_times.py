"""Cycles of a block on a core, from a few figures of it that the vendors' optimisation guides give.

1. A core that reorders instructions takes those of the busiest unit, of the instructions it starts, or of the sums it
   waits for, whichever are most.
2. A core that starts them in order does one after the other what can't start together (``InOrderTimes``).

Every load is taken for a hit; bytes from memory are counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from rdpass.core.errors import TargetError
from rdpass.profiling.account.block import Block
from rdpass.profiling.emulation.boards import modelled_core
from rdpass.targets.target import Target


class Times(Protocol):
    """The figures of a core. ``dispatch``: cycles that the runtime spends on a call."""

    @property
    def dispatch(self) -> float: ...

    def cycles(self, block: Block) -> float:
        """Cycles of one run."""


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
        others = block.companions + block.overhead
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


@dataclass(frozen=True)
class InOrderTimes:
    """Cycles from one instruction of a kind to the next on a core that starts two at most, in order.

    ``vector``: arithmetic on 128 bits, one at a time, a sum of neighbours twice that. ``load``: of 128 bits; nothing
    else starts in them. ``store``: likewise. What is left (addresses, counters, branches, loads of 64 bits, and the
    companions of a block) starts beside arithmetic and stores, or two at once. ``pair``: from a sum of neighbours to
    the next, where each waits for the products that it adds. ``wait``, ``division``, ``call``, ``dispatch``: as in
    ``CoreTimes``.
    """

    vector: float
    load: float
    store: float
    pair: float
    wait: float
    division: float
    call: float
    dispatch: float

    def cycles(self, block: Block) -> float:
        """Cycles of one run."""
        vectors = block.multiplies + block.floats + block.products + block.integers + block.pairs
        first = vectors * self.vector + block.stores * self.store
        beside = max(0.0, block.companions + block.halves + block.overhead - first) / 2
        started = first + beside + (block.loads - block.halves) * self.load
        busiest = max(started, block.chain * self.wait, block.pairs * self.pair, 1.0)
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
IN_ORDER = InOrderTimes(
    vector=1.05, load=2.1, store=1.05, pair=5.8, wait=4, division=13, call=100, dispatch=5000,
)  # fmt: skip
_CORES: Mapping[str, Times] = {
    "cortex-a55": IN_ORDER, "cortex-a72": SMALL, "neoverse-n1": LARGE, "neoverse-v1": WIDE,
}  # fmt: skip


def core_times(target: Target) -> Times:
    """The figures of the core that stands for the target's.

    Raises:
        TargetError: there are none, or it is no core of ARM's.
    """
    if target.architecture != "aarch64":
        raise TargetError(f"{target.name} is {target.architecture}; times are estimated for cores of ARM's alone")
    return _CORES[modelled_core(target)]
