"""One place where a kernel goes, as the finders give it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from rdpass.kernels.machine import Machine
from rdpass.kernels.schedule import Kernel


@dataclass(frozen=True)
class Placement:
    """A kernel computes ``root`` from ``source`` and, where it adds another map, ``other``; ``gate`` scales the source.

    ``inside``: variables that are computed on the way and need not exist. ``make`` writes the kernel for a machine; its
    second argument says whether it may write over ``other``. ``reads`` and ``writes``: the layouts of source and root;
    ``flat`` is planar with its pixels in one axis, ``vector`` an (N, C) as blocks of one pixel, ``pixels`` a blocked
    map whose pixels count as channels of one pixel, as they lie.
    """

    root: Any
    source: Any
    make: Callable[[Machine, bool], Kernel]
    inside: tuple[Any, ...] = ()
    other: Any | None = None
    gate: Any | None = None
    reads: Literal["blocked", "flat", "vector", "pixels"] = "blocked"
    writes: Literal["blocked", "planar"] = "blocked"
