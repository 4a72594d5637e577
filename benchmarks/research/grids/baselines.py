"""Grid 4: what else could save as much: pruning, a smaller ResNet, a network that stops early."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.research.arms.arm import Arm
from benchmarks.research.arms.early_exit_arm import EarlyExitArm
from benchmarks.research.arms.pruned_arm import PrunedArm
from benchmarks.research.arms.residual_arm import ResidualArm
from benchmarks.research.arms.smaller_arm import SmallerArm
from benchmarks.research.grids.depth import ANNEAL, MIGRATE, SOONER, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.protocols import Size

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
