"""Grid 2: each part of the recipes left out in turn, joint's in three ways to start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from benchmarks.research.arms.recipe_arm import RecipeArm
from benchmarks.research.grids.depth import STREAM, nets_at
from benchmarks.research.grids.grid import Cell, Grid
from benchmarks.research.networks import Net
from benchmarks.research.protocols import Size

STARTS = {"warm": "warm", "Dirac": "dirac", "cold": "random"}
LAMBDA = 1e-3  # the source's comment for 32 pixels


def cut(net: Net, stage: int) -> str:
    """The graph's name for the add that ends a stage (1, 2 or 3)."""
    index = stage * net.blocks - 1
    return f"add_{index}" if index else "add"


def parts(net: Net) -> Mapping[str, Mapping[str, Any]]:
    """What is changed in the paths of ``joint``; dc is 0.5 where nothing else is said."""
    return {
        "as it is (dc 0.5)": {},
        "no mixed path": {"mixed": False},
        "without path 1": {"off": [cut(net, 1)]},
        "without path 2": {"off": [cut(net, 2)]},
        "features, transformed": {"features": LAMBDA, "transform": True},
        "features, untransformed": {"features": LAMBDA, "transform": False},
        "dc 0": {"floor": 0.0},
        "dc 0.005": {"floor": 0.005},
        "dc 1": {"floor": 1.0},
        "teacher trained along": {"teacher": "trained"},
    }


def joint_arms(net: Net) -> Iterator[RecipeArm]:
    for part, paths in parts(net).items():
        for start, initialise in STARTS.items():
            settings = {"lr": 0.1, "student": {"initialise": initialise}, "paths": paths}
            yield RecipeArm(f"joint {start}: {part}", "joint", settings)


def migrate_arms(net: Net) -> Iterator[RecipeArm]:
    """As it was at first, then changed; linear growth at lr 0.1 without mixed paths is how it began for BasicBlocks."""
    mixed = {"mixed": True}
    features = {**mixed, "features": LAMBDA, "transform": False}
    told: dict[str, tuple[float, Mapping[str, Any], Mapping[str, Any]]] = {
        "as it is": (0.04, {}, mixed),
        "no mixed path": (0.04, {}, {"mixed": False}),
        "linear growth": (0.04, {"growth": "linear"}, mixed),
        "linear growth, lr 0.1, no mixed path": (0.1, {"growth": "linear"}, {"mixed": False}),
        "lr 0.1": (0.1, {}, mixed),
        "without path 1": (0.04, {}, {"mixed": True, "off": [cut(net, 1)]}),
        "without path 2": (0.04, {}, {"mixed": True, "off": [cut(net, 2)]}),
        "dc 1": (0.04, {}, {"mixed": True, "floor": 1.0}),
        "dc 0": (0.04, {}, {"mixed": True, "floor": 0.0}),
        "features, untransformed": (0.04, {}, features),
    }
    if net.block == "bottleneck":
        told |= {f"stream {stream}": (0.04, {"stream": stream}, mixed) for stream in ("block", "first", "off")}
    for part, (lr, student, paths) in told.items():
        settings = {"lr": lr, "student": {**STREAM, **student}, "paths": paths}
        yield RecipeArm(f"migrate: {part}", "migrate", settings)
    sooner: dict[str, tuple[float, float, Mapping[str, Any]]] = {
        "fade 0.9": (0.9, 0.04, mixed),
        "fade 0.5": (0.5, 0.04, mixed),
        "fade 0.5, lr 0.1": (0.5, 0.1, mixed),
        "fade 0.3": (0.3, 0.04, mixed),
        "fade 0.5, features, untransformed": (0.5, 0.04, features),
    }
    for part, (fade, lr, paths) in sooner.items():  # "as it is" has 0.75
        settings = {"lr": lr, "student": STREAM, "paths": paths, "fade": fade}
        yield RecipeArm(f"migrate: {part}", "migrate", settings)


def cells(size: Size) -> Sequence[Cell]:
    """Full size at the depth of the headline, reduced where a processor gets through."""
    place = 0 if size.name == "full" else 2
    nets = nets_at(place, size)
    ordered = [(net, arm) for arms in (migrate_arms, joint_arms) for net in nets for arm in arms(net)]
    return [Cell(net, size.protocol_for(net), arm) for net, arm in ordered]


ABLATION = Grid("ablation", "Which part of a recipe does what?", cells)
