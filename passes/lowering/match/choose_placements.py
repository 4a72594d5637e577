"""The kernel of each place: whether it writes over the map that it adds, its tile, and pairs that come apart.

1. A kernel writes over the map that it adds where nobody reads that one afterwards.
2. The tile is the one that was tuned for this very workload, else the default.
3. A pair whose tuned tile says so is two kernels. Then 1 and 2 are decided anew, for readers have moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rdpass.kernels.choice import build_kernels, choose, default_cost
from rdpass.kernels.machine import Machine
from rdpass.kernels.template import Kernel, Tile
from rdpass.kernels.workload import Workload
from rdpass.passes.lowering.dataflow import Dataflow
from rdpass.passes.lowering.match.find_placements import find_placements
from rdpass.passes.lowering.match.placement import Placement


@dataclass(frozen=True)
class ChosenPlacement:
    """A placement and its kernel: ``workload`` says whether the map that it adds is written over."""

    placement: Placement
    workload: Workload
    tile: Tile

    @property
    def in_place(self) -> bool:
        return self.workload != self.placement.workload

    def kernel(self, machine: Machine) -> Kernel:
        (kernel,) = build_kernels(self.workload, self.placement.constants, self.tile, machine)
        return kernel


def choose_placements(flow: Dataflow, machine: Machine, tuned: Mapping[Workload, Tile]) -> tuple[ChosenPlacement, ...]:
    """All placements of a function; no variable is in two of them."""
    parts = tuple(_apart(flow, find_placements(flow, machine), machine, tuned))
    homes = homes_of(placement for placement, _ in parts)
    return tuple(_chosen(flow, homes, placement, tile, machine, tuned) for placement, tile in parts)


def workload_of(flow: Dataflow, homes: Mapping[Any, Any], placement: Placement) -> Workload:
    """The workload of a placement's kernel, with the map that it adds written over if it may be."""
    return placement.workload.in_place() if _may_write_over(flow, homes, placement) else placement.workload


def homes_of(placements: Iterable[Placement]) -> dict[Any, Any]:
    """For every variable that a kernel computes, the root of its placement."""
    return {variable: p.root for p in placements for variable in (*p.inside, p.root)}


def _apart(
    flow: Dataflow, found: tuple[Placement, ...], machine: Machine, tuned: Mapping[Workload, Tile]
) -> Iterator[tuple[Placement, Tile | None]]:
    """Pairs that are none as their parts, with the tiles of these."""
    homes = homes_of(found)
    for placement in found:
        tile = tuned.get(workload_of(flow, homes, placement)) if placement.parts else None
        if placement.parts and tile is None and _costs_less_apart(placement, machine):
            yield from ((part, None) for part in placement.parts)
        elif tile is not None and tile.halves:
            yield from zip(placement.parts, tile.halves, strict=True)
        else:
            yield placement, None


def _costs_less_apart(pair: Placement, machine: Machine) -> bool:
    """Tell whether the cost model has a pair of bytes dearer than its parts. Pairs of floats are always cheaper."""
    if pair.workload.types.input.is_float:
        return False
    return default_cost(pair.workload, machine) > sum(default_cost(part.workload, machine) for part in pair.parts)


def _chosen(
    flow: Dataflow, homes: Mapping[Any, Any], placement: Placement, tile: Tile | None, machine: Machine,
    tuned: Mapping[Workload, Tile],
) -> ChosenPlacement:  # fmt: skip
    work = workload_of(flow, homes, placement)
    chosen = tile or choose(work, machine, tuned)
    assert not chosen.halves
    return ChosenPlacement(placement, work, chosen)


def _may_write_over(flow: Dataflow, homes: Mapping[Any, Any], placement: Placement) -> bool:
    """Tell whether the map that a kernel adds is read by nobody later, nor as the kernel's own source."""
    other = placement.other
    if other is None or other in flow.parameters or other in flow.results or placement.source.same_as(other):
        return False
    end = flow.position[placement.root]
    return all(flow.position[homes.get(reader, reader)] <= end for reader in flow.readers[other])
