"""Grid 6: are features without shortcuts worth as much on another data set?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.accuracy_grids.depth import ANNEAL, DEPTHS, MIGRATE, PLAIN
from benchmarks.accuracy_grids.grid import Cell, Grid
from benchmarks.accuracy_grids.networks import Net
from benchmarks.accuracy_grids.protocols import Size
from benchmarks.accuracy_grids.transfer_arm import RATES, TransferArm

ARMS = tuple(TransferArm(of, tuned) for of in (None, MIGRATE, ANNEAL, PLAIN) for tuned in RATES)


def cells(size: Size) -> Sequence[Cell]:
    nets = [Net(block, DEPTHS[block][0], size.width) for block in DEPTHS]
    return [Cell(net, size.protocol_for(net), arm) for net in nets for arm in ARMS]


TRANSFER = Grid("transfer", "What are features worth on another data set: plain against residual?", cells)
