"""What a grid is: cells of a network and an arm, each to be run with several seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.research.arms.arm import Arm
from benchmarks.research.identity import identity_of
from benchmarks.research.networks import Net
from benchmarks.research.protocols import Protocol, Size


@dataclass(frozen=True)
class Cell:
    """One row of a table: what is done to which network, trained how."""

    net: Net
    protocol: Protocol
    arm: Arm


@dataclass(frozen=True)
class Grid:
    """``cells`` gives a size's cells in the order they are worth running."""

    name: str
    question: str
    cells: Callable[[Size], Sequence[Cell]]


@dataclass(frozen=True)
class Run:
    """One cell with one seed; ``identity`` is that of whatever does the same, in any grid."""

    grid: str
    size: str
    cell: Cell
    seed: int
    amp: bool

    @property
    def identity(self) -> str:
        cell = self.cell
        return identity_of(cell.net, cell.protocol, cell.arm.recipe, cell.arm.settings, self.seed, self.amp)

    @property
    def title(self) -> str:
        return f"{self.grid}/{self.size} {self.cell.net.name} seed {self.seed}: {self.cell.arm.name}"


def runs_of(grid: Grid, size: Size, seeds: Sequence[int], amp: bool) -> Iterator[Run]:
    """Cell by cell, each with all its seeds."""
    for cell in grid.cells(size):
        for seed in seeds:
            yield Run(grid.name, size.name, cell, seed, amp)
