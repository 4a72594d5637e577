"""How far a kernel's numbers may be from its oracle's, and every kernel for a layer."""

from __future__ import annotations

from collections.abc import Iterator

from rdpass.core.numeric_types import FLOAT16, FLOAT32, NumericType
from rdpass.kernels.choice import label, rank_tiles
from rdpass.kernels.template import Tile
from rdpass.kernels.workload import Workload
from rdpass.targets.isa import Isa
from tests.kernels.case import Case
from tests.kernels.cases import case_of, machine_with

TOLERANCE = 1e-5
WINOGRAD_TOLERANCE = 2e-5
STRIDED_TOLERANCE = 2e-6
HALF_TOLERANCE, HALF_WINOGRAD_TOLERANCE = 8e-3, 1.5e-2


def tolerance_of(tile: Tile, numeric: NumericType = FLOAT32) -> float:
    """Relative to the largest number; Winograd's transforms of many outputs round more."""
    word = label(tile)
    if numeric is FLOAT16:
        return HALF_WINOGRAD_TOLERANCE if "winograd" in word else HALF_TOLERANCE
    if word.startswith("strided_winograd"):
        return STRIDED_TOLERANCE
    return WINOGRAD_TOLERANCE if word.startswith(("winograd4", "stem_winograd")) else TOLERANCE


def cases_of(work: Workload, isa: Isa, threads: int = 1) -> Iterator[tuple[Case, float]]:
    """Every kernel for ``work``, of each kind of its tiles the one that looks best."""
    best: dict[str, Tile] = {}
    for ranked in rank_tiles(work, machine_with(isa, threads)):
        if not ranked.tile.halves:
            best.setdefault(label(ranked.tile), ranked.tile)
    for tile in best.values():
        yield case_of(work, tile, isa, threads), tolerance_of(tile)
