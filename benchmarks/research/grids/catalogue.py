"""All grids."""

from __future__ import annotations

from benchmarks.research.grids.ablation import ABLATION
from benchmarks.research.grids.baselines import BASELINES
from benchmarks.research.grids.depth import DEPTH
from benchmarks.research.grids.fade_out import FADE_OUT
from benchmarks.research.grids.grid import Grid
from benchmarks.research.grids.pareto import PARETO
from benchmarks.research.grids.quantised import QUANTISED
from benchmarks.research.grids.small import SMALL
from benchmarks.research.grids.transfer import TRANSFER

GRIDS: dict[str, Grid] = {
    grid.name: grid for grid in (DEPTH, ABLATION, FADE_OUT, BASELINES, SMALL, TRANSFER, QUANTISED, PARETO)
}
