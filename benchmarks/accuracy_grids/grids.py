"""All grids, in the order of docs/evidence.md."""

from __future__ import annotations

from benchmarks.accuracy_grids.ablation import ABLATION
from benchmarks.accuracy_grids.baselines import BASELINES
from benchmarks.accuracy_grids.depth import DEPTH
from benchmarks.accuracy_grids.fade_out import FADE_OUT
from benchmarks.accuracy_grids.grid import Grid
from benchmarks.accuracy_grids.quantisation import QUANTISED
from benchmarks.accuracy_grids.small import SMALL
from benchmarks.accuracy_grids.transfer import TRANSFER

GRIDS: dict[str, Grid] = {
    grid.name: grid for grid in (DEPTH, ABLATION, FADE_OUT, BASELINES, SMALL, TRANSFER, QUANTISED)
}
