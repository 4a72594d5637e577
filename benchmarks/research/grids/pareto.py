"""Grid 8: does it pay? Accuracy against time, peak and size on boards: pruned, plain, both, and smaller networks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from benchmarks.research.arms.arm import Maker
from benchmarks.research.arms.narrowed_arm import NarrowedArm
from benchmarks.research.arms.priced_arm import AsItIs, PricedArm
from benchmarks.research.arms.recipe_arm import RecipeArm
from benchmarks.research.arms.residual_arm import ResidualArm
from benchmarks.research.arms.smaller_arm import SmallerArm
from benchmarks.research.arms.staged_arm import StagedArm
from benchmarks.research.grids.baselines import COLD, WARM
from benchmarks.research.grids.depth import MIGRATE, SOONER, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.networks import Net, deepest
from benchmarks.research.protocols import Size
from benchmarks.research.recipes import linear_pairs

SHARES = (0.25, 0.5)
DEEP = 0.75  # where the front of the pruned networks is to go on to smaller peaks
SHORTCUTS_AT_ONCE = 12  # partly lost ones; with more than that ``auto`` lets them fade for longer
INVERTED = 29  # layers, or as many as the size allows


def removal(net: Net) -> RecipeArm:
    """What ``auto`` takes, as the arm of the depth grid that has the same student."""
    return MIGRATE if net.block != "basic" and 3 * net.blocks > SHORTCUTS_AT_ONCE else SOONER


def pruned(share: float) -> RecipeArm:
    return RecipeArm(f"pruned by {100 * share:.0f} %", "prune", {"lr": WARM, "prune": {"share": share}})


def makers(net: Net) -> Iterator[Maker]:
    """The main arms first."""
    plain = replace(removal(net), name="plain")
    unmixed = {name: value for name, value in plain.settings.items() if name != "paths"}
    bare = replace(plain, settings=unmixed)  # there are no mixed paths through another teacher
    yield AsItIs()
    yield plain
    yield from (pruned(share) for share in SHARES)
    yield from (StagedArm(f"{pruned(share).name}, then plain", (pruned(share), bare)) for share in SHARES)
    yield from (NarrowedArm(f"{pruned(share).name} and plain at once", share, bare) for share in SHARES)
    yield pruned(DEEP)
    yield from (StagedArm(f"plain, then {pruned(share).name}", (plain, pruned(share))) for share in SHARES)
    yield ResidualArm()
    yield SmallerArm("narrower ResNet, its traffic", {"to": "traffic_bytes", "by": "width", "lr": COLD})
    yield SmallerArm("shallower ResNet, its traffic", {"to": "traffic_bytes", "by": "depth", "lr": COLD})
    if net.block == "bottleneck":  # the others have no 1x1 pair whose merging saves anything
        yield RecipeArm("plain, 1x1 pairs merged", linear_pairs.NAME, plain.settings)


def nets(size: Size) -> list[Net]:
    """Bottlenecks first: there a shortcut holds the widest map live."""
    return [*nets_at(0, size)[::-1], Net("inverted", deepest("inverted", min(INVERTED, size.deepest)), size.width)]


def cells(size: Size) -> Sequence[Cell]:
    """Net by net: every net is of use by itself."""
    return [Cell(net, size.protocol_for(net), PricedArm(maker)) for net in nets(size) for maker in makers(net)]


PARETO = Grid("pareto", "Does it pay: removal, pruning, both, or a smaller network?", cells)
