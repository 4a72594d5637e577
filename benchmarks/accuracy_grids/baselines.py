"""Grid 4: what else could save as much: pruning, a smaller ResNet, a network that stops early."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.accuracy_grids.arms import Arm
from benchmarks.accuracy_grids.depth import ANNEAL, MIGRATE, SOONER, nets_at
from benchmarks.accuracy_grids.early_exit_arm import EarlyExitArm
from benchmarks.accuracy_grids.grid import Cell, Grid
from benchmarks.accuracy_grids.protocols import Size
from benchmarks.accuracy_grids.pruned_arm import PrunedArm
from benchmarks.accuracy_grids.residual_arm import ResidualArm
from benchmarks.accuracy_grids.smaller_arm import SmallerArm

WARM, COLD = 0.04, 0.1  # learning rates, of what starts trained and of what does not
ARMS: tuple[Arm, ...] = (
    MIGRATE,
    SOONER,
    ResidualArm(),
    PrunedArm("pruned to its peak, adds separate", {"to": "separate_bytes", "lr": WARM}),
    SmallerArm("narrower ResNet, its peak, adds separate", {"to": "separate_bytes", "by": "width", "lr": COLD}),
    PrunedArm("pruned to its traffic", {"to": "traffic_bytes", "lr": WARM}),
    SmallerArm("shallower ResNet, its traffic", {"to": "traffic_bytes", "by": "depth", "lr": COLD}),
    PrunedArm("pruned to its peak, adds in place", {"to": "peak_bytes", "lr": WARM}),
    PrunedArm("pruned to its MACs", {"to": "macs", "lr": WARM}),
    EarlyExitArm("early exit, its MACs on the mean", {"share": 1.0, "lr": WARM}),
    SmallerArm("narrower ResNet, its traffic", {"to": "traffic_bytes", "by": "width", "lr": COLD}),
    ANNEAL,
)


def cells(size: Size) -> Sequence[Cell]:
    return [Cell(net, size.protocol_for(net), arm) for arm in ARMS for net in nets_at(0, size)]


BASELINES = Grid("baselines", "What has a pruned, a smaller or a dynamic residual network at equal cost?", cells)
