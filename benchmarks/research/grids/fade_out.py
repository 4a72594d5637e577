"""Grid 3: how much of the student's gradient comes through the teacher, stage by stage, as the training goes on."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.research.arms.recipe_arm import RecipeArm
from benchmarks.research.grids.depth import STREAM, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.protocols import Size

EVERY = {"share_steps": 20}
# The source's E is 60 of 200 epochs for CIFAR (dc 0.5) and 60 of 120 for ImageNet (dc 0.005).
ARMS = (
    RecipeArm("joint, CIFAR setting: dc 0.5", "joint",
              {"lr": 0.1, "student": {"initialise": "dirac"}, "paths": {"floor": 0.5, "span": 0.3}, **EVERY}, True),
    RecipeArm("joint, ImageNet setting: dc 0.005", "joint",
              {"lr": 0.1, "student": {"initialise": "dirac"}, "paths": {"floor": 0.005, "span": 0.5}, **EVERY}, True),
    RecipeArm("migrate + mixed", "migrate", {"lr": 0.04, "student": STREAM, "paths": {"mixed": True}, **EVERY}, True),
)  # fmt: skip


def cells(size: Size) -> Sequence[Cell]:
    return [Cell(net, size.protocol_for(net), arm) for net in nets_at(2, size) for arm in ARMS]


FADE_OUT = Grid("fade-out", "Do the gradients that come through the teacher fade as the training goes on?", cells)
