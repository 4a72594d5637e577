"""What the choice of a kernel has to know of a core: its vectors, caches and the memory behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rdpass.kernels.isa import Isa, isa_of, threads_of

if TYPE_CHECKING:
    from tvm.target import Target


@dataclass(frozen=True)
class Machine:
    """A core and its share of the memory.

    ``multiplies``: vector multiply-accumulates a cycle. ``l1``, ``l2``: bytes of data cache for one thread.
    ``bandwidth``: bytes a cycle from memory.
    """

    isa: Isa
    threads: int
    multiplies: float
    l1: int
    l2: int
    bandwidth: float


_SMALL = (1.0, 32 << 10, 1 << 20, 1.7)
_CORES: dict[str, tuple[float, int, int, float]] = {
    "cortex-a53": (1.0, 32 << 10, 512 << 10, 1.1),
    "cortex-a55": (1.0, 32 << 10, 512 << 10, 1.7),
    "cortex-a72": _SMALL,
    "cortex-a76": (2.0, 64 << 10, 1 << 20, 5.0),
    "neoverse-n1": (2.0, 64 << 10, 1 << 20, 5.0),
    "neoverse-v1": (2.0, 64 << 10, 1 << 20, 5.0),
    "x86-64-v4": (2.0, 32 << 10, 1 << 20, 5.0),
    "x86-64-v3": (2.0, 32 << 10, 512 << 10, 5.0),
}


def machine_of(target: Target) -> Machine:
    """The core that ``target`` names; one that is not known counts as a Cortex-A72."""
    return Machine(isa_of(target), threads_of(target), *_CORES.get(str(target.attrs.get("mcpu", "")), _SMALL))
