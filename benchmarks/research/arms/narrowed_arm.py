"""Pruned and plain in one training: the least important channels leave at once, then the shortcuts while it learns.

The narrow network starts with its batch norms, and learns from the whole one for all the steps.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import nn

from benchmarks.research.arms.arm import Made, Settings
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.recipe_arm import RecipeArm, convert_into, form_of, settings_of
from benchmarks.research.claims import claim
from rdpass.capture.trace import trace
from rdpass.recipes.preparation import prepared_teacher
from rdpass.recipes.prune import pruned
from rdpass.runs.folder import load_run
from rdpass.training.config import DistillConfig
from rdpass.training.options import PruneOptions
from rdpass.training.request import Request


@dataclass(frozen=True)
class NarrowedArm:
    """``share`` of the multiply-accumulates leaves with channels, then ``of`` takes the shortcuts."""

    name: str
    share: float
    of: RecipeArm
    recipe: str = field(default="narrowed")

    @property
    def settings(self) -> Settings:
        return {"share": self.share, "of": settings_of(self.of)}

    def make(self, bench: Bench) -> Made:
        folder = bench.student_folder(self.recipe, self.settings)
        with claim(folder.parent, folder.name, wait=True):
            if not folder.exists():
                convert_into(folder, self.of, bench, narrowed(bench, self.share))
        conversion = load_run(folder)
        form = form_of([outcome.how for outcome in conversion.outcomes])
        return Made(conversion.student, form, bench.steps)


def narrowed(bench: Bench, share: float) -> nn.Module:
    """The teacher without the channels that matter least, as recipe ``prune`` chooses them, not trained since."""
    config = DistillConfig(prune=PruneOptions(share=share), seed=bench.seed)
    request = Request(train=bench.image_set.train, config=config)
    whole = prepared_teacher(trace(bench.teacher, bench.image_set.example))
    return pruned(whole, request)[0].module
