"""A dynamic network: the teacher with exits after its first two stages, leaving as early as a picture allows.

All exits are distilled from the teacher at once. A picture leaves where the largest probability passes a threshold, the
same at both exits: the highest, on validation pictures, at which the mean of multiply-accumulates meets the target.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.accuracy_grids.arms import Result
from benchmarks.accuracy_grids.bench import Bench, Scores
from benchmarks.accuracy_grids.distilled import distilled
from benchmarks.accuracy_grids.footprint import footprint_of, plain_footprint
from benchmarks.accuracy_grids.networks import Net
from benchmarks.accuracy_grids.pictures import Part
from rdpass.losses import divergence
from rdpass.objective import Batch


class Exits(nn.Module):
    """The logits at every exit, the network's own last; ``macs`` up to each."""

    def __init__(self, net: Net, model: nn.Module, example: Tensor, classes: int) -> None:
        super().__init__()
        layers = list(copy.deepcopy(model).children())
        head, ends = 3, [3 + net.blocks, 3 + 2 * net.blocks]  # pool, flatten, classes; a stem of three, then stages
        self.parts = nn.ModuleList(
            nn.Sequential(*layers[start:end]) for start, end in zip([0, *ends], [*ends, -head], strict=True)
        )
        widths = [(net.width << stage) * (1 if net.block == "basic" else 4) for stage in range(2)]
        self.heads = nn.ModuleList([*(exit_head(width, classes) for width in widths), nn.Sequential(*layers[-head:])])
        self.macs = [
            sum(footprint_of(nn.Sequential(*self.parts[: k + 1], each).eval(), example).macs for each in [head])
            + sum(layer.in_features * classes for previous in self.heads[:k] for layer in linears(previous))
            for k, head in enumerate(self.heads)
        ]

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outputs = []
        for part, head in zip(self.parts, self.heads, strict=True):
            x = part(x)
            outputs.append(head(x))
        return tuple(outputs)


def exit_head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def linears(module: nn.Module) -> list[nn.Linear]:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


@dataclass(frozen=True)
class EarlyExitArm:
    """``settings``: ``lr``, and ``share`` of the plain network's multiply-accumulates to stay within on the mean."""

    name: str
    settings: Mapping[str, Any]
    recipe: str = field(default="early-exit")

    def run(self, bench: Bench) -> Result:
        example = bench.pictures.example
        torch.manual_seed(bench.seed)
        exits = Exits(bench.net, bench.teacher, example, bench.pictures.classes)
        student = distilled(exits, bench, self.settings["lr"], loss=all_exits, distance=all_distances)
        goal = self.settings["share"] * plain_footprint(bench.net, tuple(example.shape)).macs
        macs = torch.tensor(exits.macs, dtype=torch.float64)
        known = [outputs_of(student, part, bench.machine.device)
                 for part in (bench.pictures.validation, bench.pictures.test)]  # fmt: skip
        threshold = highest_threshold(*known[0], macs, goal)
        (validation, _), (test, mean) = (at_threshold(*each, macs, threshold) for each in known)
        whole = footprint_of(bench.teacher, example)
        facts = {"threshold": threshold, "goal": round(goal), "curve": curve(*known[1], macs)}
        return Result(
            Scores(validation, test), "residual", type(whole)(round(mean), whole.peak_bytes, whole.separate_bytes,
            whole.traffic_bytes), bench.steps, facts,
        )  # fmt: skip


def all_exits(outputs: Any, batch: Batch) -> Tensor:
    return torch.stack([F.cross_entropy(each, batch.targets) for each in outputs]).mean()


def all_distances(outputs: Any, wanted: Any) -> Tensor:
    return torch.stack([divergence(each, wanted, 4.0) for each in outputs]).mean()


@torch.no_grad()
def outputs_of(model: nn.Module, part: Part, device: str) -> tuple[Tensor, Tensor]:
    """Per picture and exit, how sure it is and whether it is right."""
    model.to(device).eval()
    sure, right = [], []
    for images, labels in part.batches():
        probabilities = torch.stack(model(images.to(device))).softmax(2)
        best, which = probabilities.max(2)
        sure.append(best.T.cpu())
        right.append((which == labels.to(device)).T.cpu())
    model.to("cpu")
    return torch.cat(sure), torch.cat(right)


def at_threshold(sure: Tensor, right: Tensor, macs: Tensor, threshold: float) -> tuple[float, float]:
    """Per cent right, and the mean of the multiply-accumulates."""
    leaves = sure >= threshold
    leaves[:, -1] = True
    taken = leaves.float().argmax(1)
    accuracy = right[torch.arange(len(right)), taken].double().mean() * 100
    return round(float(accuracy), 2), float(macs[taken].mean())


def highest_threshold(sure: Tensor, right: Tensor, macs: Tensor, goal: float) -> float:
    """By bisection; above 1 nothing leaves early."""
    low, high = 0.0, 1.01
    if at_threshold(sure, right, macs, high)[1] <= goal:
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if at_threshold(sure, right, macs, middle)[1] <= goal else (low, middle)
    return round(low, 6)


def curve(sure: Tensor, right: Tensor, macs: Tensor) -> list[tuple[float, int]]:
    """Accuracy and mean multiply-accumulates from the surest to the hastiest."""
    points = (at_threshold(sure, right, macs, t) for t in (1.01, 0.999, 0.99, 0.95, 0.9, 0.8, 0.7, 0.5, 0.0))
    return [(accuracy, round(mean)) for accuracy, mean in points]
