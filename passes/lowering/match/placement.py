"""One place where a kernel goes, as the finders give it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from rdpass.kernels.workload import Workload


@dataclass(frozen=True)
class Placement:
    """A kernel computes ``root`` from ``source`` and, where it adds another map, ``other``; ``gate`` scales the source.

    ``others``: further maps behind the source, read as it is. ``workload``: what it computes, ``other`` left as it is.
    ``constants``: its numbers, as the workload's class says. ``inside``: variables that are computed on the way and
    need not exist. ``parts``: the placements that do the same with the map between them, of a pair. ``reads`` and
    ``writes``: the layouts of source and root; ``flat`` is planar with its pixels in one axis, ``vector`` an (N, C) as
    blocks of one pixel.
    """

    root: Any
    source: Any
    workload: Workload
    constants: tuple[Any, ...] = field(default=(), repr=False)
    inside: tuple[Any, ...] = ()
    other: Any | None = None
    parts: tuple[Placement, ...] = ()
    gate: Any | None = None
    reads: Literal["blocked", "flat", "vector"] = "blocked"
    writes: Literal["blocked", "planar", "flat"] = "blocked"
    others: tuple[Any, ...] = ()
