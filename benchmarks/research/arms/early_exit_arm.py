"""A dynamic network: the teacher with early exits, leaving as soon as an image allows.

All exits are distilled from the teacher at once. The threshold is the highest, on validation images, at which the
mean of multiply-accumulates meets the target.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from benchmarks.research.arms.arm import Result
from benchmarks.research.arms.bench import Bench, Scores
from benchmarks.research.arms.distilled import distilled
from benchmarks.research.arms.exits import Exits, mean_distance, mean_loss
from benchmarks.research.arms.footprint import footprint_of, plain_footprint
from benchmarks.research.arms.leaving import at_threshold, curve, highest_threshold, outputs_of


@dataclass(frozen=True)
class EarlyExitArm:
    """``settings``: ``lr``, and ``share`` of the plain network's multiply-accumulates to stay within on the mean."""

    name: str
    settings: Mapping[str, Any]
    recipe: str = field(default="early-exit")

    def run(self, bench: Bench) -> Result:
        example, image_set, device = bench.image_set.example, bench.image_set, bench.machine.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(bench.seed)
            exits = Exits(bench.net, bench.teacher, image_set.classes)
        student = distilled(exits, bench, self.settings["lr"], loss=mean_loss, distance=mean_distance)
        goal = self.settings["share"] * plain_footprint(bench.net, tuple(example.shape)).macs
        macs = torch.tensor(exits.macs(example), dtype=torch.float64)
        validation, test = (outputs_of(student, part, device) for part in (image_set.validation, image_set.test))
        threshold = highest_threshold(*validation, macs, goal)
        accuracy, mean = at_threshold(*test, macs, threshold)
        facts = {"threshold": threshold, "goal": round(goal), "curve": curve(*test, macs)}
        return Result(
            scores=Scores(at_threshold(*validation, macs, threshold)[0], accuracy),
            form="residual",
            footprint=replace(footprint_of(bench.teacher, example), macs=round(mean)),
            steps=bench.steps,
            facts=facts,
        )
