"""Grid 6: are features without shortcuts worth as much on another data set?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.research.arms.transfer_arm import RATES, TransferArm
from benchmarks.research.grids.depth import ANNEAL, MIGRATE, PLAIN, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.protocols import Size

ARMS = tuple(TransferArm(of, tuned) for of in (None, MIGRATE, ANNEAL, PLAIN) for tuned in RATES)


def cells(size: Size) -> Sequence[Cell]:
    return [Cell(net, size.protocol_for(net), arm) for net in nets_at(0, size) for arm in ARMS]


TRANSFER = Grid("transfer", "What are features worth on another data set: plain against residual?", cells)
