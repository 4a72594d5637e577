"""The teacher itself, with its shortcuts, distilled on for as long as every student is: what the steps alone bring."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.research.arms.arm import Made, Result
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.distilled import distilled
from benchmarks.research.arms.footprint import footprint_of


@dataclass(frozen=True)
class ResidualArm:
    """``settings``: ``lr``."""

    name: str = "residual, distilled on"
    recipe: str = "residual"
    settings: Mapping[str, Any] = field(default_factory=lambda: {"lr": 0.04})

    def run(self, bench: Bench) -> Result:
        made = self.make(bench)
        footprint = footprint_of(bench.teacher, bench.image_set.example)
        return Result(bench.score(made.network), made.form, footprint, made.steps)

    def make(self, bench: Bench) -> Made:
        student = distilled(copy.deepcopy(bench.teacher), bench, self.settings["lr"])
        return Made(student, "residual", bench.steps)
