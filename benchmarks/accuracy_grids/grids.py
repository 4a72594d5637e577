"""All grids."""

from __future__ import annotations

from benchmarks.accuracy_grids.depth import DEPTH
from benchmarks.accuracy_grids.grid import Grid

GRIDS: dict[str, Grid] = {grid.name: grid for grid in (DEPTH,)}
