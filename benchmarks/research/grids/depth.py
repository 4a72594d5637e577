"""Grid 1: the gap to the teacher against depth, for every way to lose the shortcuts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.research.arms.recipe_arm import RecipeArm
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.networks import Net, deepest
from benchmarks.research.protocols import Size
from benchmarks.research.recipes import one_by_one
from benchmarks.research.small_resnets import Block

MIXED, UNMIXED = {"mixed": True}, {"mixed": False}
STREAM = {"stream": "stage", "growth": "root"}
WARM, DIRAC, COLD = {"initialise": "warm"}, {"initialise": "dirac"}, {"initialise": "random"}

# Whatever is open is said, so that an arm stays what it is when defaults change; no fade means recipe_arm's FADE.
MIGRATE = RecipeArm("migrate + mixed", "migrate", {"lr": 0.04, "student": STREAM, "paths": MIXED})
MIGRATE_ALONE = RecipeArm("migrate", "migrate", {"lr": 0.04, "student": STREAM, "paths": UNMIXED})
SOONER = RecipeArm("migrate + mixed, fade 0.5", "migrate",
                   {"lr": 0.04, "student": STREAM, "paths": MIXED, "fade": 0.5})  # fmt: skip
ANNEAL = RecipeArm("anneal + mixed", "anneal", {"lr": 0.1, "paths": MIXED})
JOINT_WARM = RecipeArm("joint, warm", "joint", {"lr": 0.1, "student": WARM})
PAPER = RecipeArm("joint, cold, Dirac (paper)", "joint", {"lr": 0.1, "student": DIRAC})
KD = RecipeArm("kd, cold", "kd", {"lr": 0.1, "student": COLD})
PLAIN = RecipeArm("labels only, cold", "plain", {"lr": 0.1, "student": COLD})
FIRST = (MIGRATE, SOONER, MIGRATE_ALONE, ANNEAL, PLAIN, KD, JOINT_WARM)
REST = (
    RecipeArm("anneal + mixed, fade 0.5", "anneal", {"lr": 0.1, "paths": MIXED, "fade": 0.5}),
    RecipeArm("anneal", "anneal", {"lr": 0.1, "paths": UNMIXED}),
    PAPER,
    RecipeArm("joint, warm, unmixed", "joint", {"lr": 0.1, "student": WARM, "paths": UNMIXED}),
    RecipeArm("joint, cold, Dirac, unmixed", "joint", {"lr": 0.1, "student": DIRAC, "paths": UNMIXED}),
    RecipeArm("kd + mixed, cold", "kd", {"lr": 0.1, "student": COLD, "paths": MIXED}),
    RecipeArm("carry, exact", "carry"),
    RecipeArm("migrate + mixed, projections kept", "migrate",
              {"lr": 0.04, "student": {**STREAM, "keep_projections": True}, "paths": MIXED}),
)  # fmt: skip
# Published relatives, which start as the trained network too; what they do is in ``recipes.one_by_one``.
RELATIVES = (
    RecipeArm("SkipRemover (Tailor)", one_by_one.REMOVER, {"lr": 0.04}),
    RecipeArm("SkipShortener (Tailor)", one_by_one.SHORTENER, {"lr": 0.04}),
    RecipeArm("SkipClip (RUBICON)", one_by_one.REMOVER, {"lr": 0.04, "fade": 1.0, "temperature": 2.0}),
)
# Deep networks without shortcuts may meet gradients many orders of magnitude longer than later on, above all at first.
CLIPPED = tuple(
    replace(arm, name=f"{arm.name}, clip 5", settings={**arm.settings, "clip": 5.0})
    for arm in (PLAIN, SOONER, JOINT_WARM, KD, ANNEAL, PAPER)
)
DEPTHS: dict[Block, tuple[int, ...]] = {"basic": (56, 20, 32, 110), "bottleneck": (47, 20, 29, 110)}


def nets_at(place: int, size: Size) -> list[Net]:
    """One net of each kind of block: of the depth at ``place``, or the deepest that the size allows."""
    return [Net(block, deepest(block, min(DEPTHS[block][place], size.deepest)), size.width) for block in DEPTHS]


def cells(size: Size) -> Sequence[Cell]:
    """The deep nets first, and the arms between which something is to be decided."""
    nets = list(dict.fromkeys(net for place in range(4) for net in nets_at(place, size)))
    deep, others = nets[:2], nets[2:]
    ordered = [(net, arm) for arm in FIRST for net in deep]
    ordered += [(net, arm) for net in others for arm in FIRST]
    ordered += [(net, arm) for arm in (*RELATIVES, *REST, *CLIPPED) for net in nets]
    return [*(Cell(net, size.protocol_for(net), arm) for net, arm in ordered), *as_long(deep, size)]


def as_long(nets: Sequence[Net], size: Size) -> Iterator[Cell]:
    """As many epochs as the teacher had, where the size gives students fewer."""
    for arm in (MIGRATE, SOONER, ANNEAL):
        for net in nets:
            protocol = size.protocol_for(net)
            if protocol.epochs < protocol.teacher_epochs:
                yield Cell(net, replace(protocol, epochs=protocol.teacher_epochs), arm)


DEPTH = Grid("depth", "How far is a plain network from its residual teacher, by recipe and depth?", cells)
