"""Grid 7: which loses less to static int8, the plain or the residual network?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.research.arms.arm import Arm
from benchmarks.research.arms.cured_arm import WORDS, CuredArm
from benchmarks.research.arms.quantised_arm import QuantisedArm
from benchmarks.research.grids.depth import ANNEAL, MIGRATE, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.protocols import Size

ARMS: tuple[Arm, ...] = (
    *(QuantisedArm(of, per_channel) for of in (None, MIGRATE, ANNEAL) for per_channel in (True, False)),
    *(CuredArm(of, cure) for of in (None, MIGRATE) for cure in WORDS),
)


def cells(size: Size) -> Sequence[Cell]:
    return [Cell(net, size.protocol_for(net), arm) for net in nets_at(0, size) for arm in ARMS]


QUANTISED = Grid("quantised", "Which loses less to static int8, plain or residual?", cells)
