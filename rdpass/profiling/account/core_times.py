"""Cycles of a block on a core: those of its busiest unit, of the instructions it starts, or of the sums it waits for.

A few figures a core, from the vendors' optimisation guides. Every load is taken for a hit; bytes from memory are
counted apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rdpass.core.errors import TargetError
from rdpass.profiling.account.loops import Block
from rdpass.profiling.emulation.boards import modelled_core
from rdpass.targets.target import Target


@dataclass(frozen=True)
class CoreTimes:
    """Cycles from one instruction of a kind to the next; ``start``: of any; ``wait``: from a multiply to one that adds
    to its sum."""

    multiply: float
    vector: float
    load: float
    store: float
    start: float
    wait: float
    division: float
    call: float
    dispatch: float
    pointer: float = 1.0

    def cycles(self, block: Block) -> float:
        """Cycles of one run."""
        instructions: float = block.multiplies + block.vectors + block.loads + block.stores
        instructions += self.pointer * block.pointers + (2 if block.in_loop else 0)
        return (
            max(
                block.multiplies * self.multiply,
                (block.multiplies + block.vectors) * self.vector,
                block.loads * self.load,
                block.stores * self.store,
                instructions * self.start,
                block.chain * self.wait,
                1.0,
            )
            + block.divisions * self.division
            + block.calls * self.call
        )


SMALL = CoreTimes(
    multiply=1.0, vector=1.0, load=1.0, store=1.0, start=1 / 3, wait=4, division=12, call=60, dispatch=3700
)  # fmt: skip
LARGE = CoreTimes(
    multiply=0.5, vector=0.5, load=0.5, store=0.5, start=1 / 4, wait=2, division=8, call=40, dispatch=2000
)  # fmt: skip


_CORES: Mapping[str, CoreTimes] = {"cortex-a72": SMALL, "neoverse-n1": LARGE}


def core_times(target: Target) -> CoreTimes:
    """The figures of the core that stands for the target's.

    Raises:
        TargetError: there are none.
    """
    core = modelled_core(target)
    if core not in _CORES:
        raise TargetError(f"{target.name}: no figures of {target.cpu} to estimate cycles with")
    return _CORES[core]
