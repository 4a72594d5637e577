"""Several recipes one after another, each on what the one before it made: pruned then removed, removed then pruned.

The steps of an arm are shared out evenly. The teacher of every stage is the whole network. Batch norms are folded at
the end of each stage, as ``rdpass fit`` and ``rdpass convert`` of a run folder have them, so a later stage trains a
network without any, with its gradients clipped as ``fit`` does it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.research.arms.arm import Made, Settings
from benchmarks.research.arms.bench import Bench
from benchmarks.research.arms.recipe_arm import RecipeArm, convert_into, form_of, load_student, settings_of
from benchmarks.research.claims import claim
from rdpass.runs.folder import load_run

UNNORMALISED = {"clip": 1.0}  # of a stage after the first


@dataclass(frozen=True)
class StagedArm:
    """``stages`` in their order. Each has an epoch at least: with fewer epochs than stages they take more steps."""

    name: str
    stages: tuple[RecipeArm, ...]
    recipe: str = field(default="staged")

    @property
    def settings(self) -> Settings:
        return {"stages": [settings_of(stage) for stage in self.stages]}

    def make(self, bench: Bench) -> Made:
        folder, hows = Path(), list[str]()
        shares = shared_out(bench.protocol.epochs, len(self.stages))
        for index, epochs in enumerate(shares):
            part = replace(bench, protocol=replace(bench.protocol, epochs=epochs))
            folder = self._made(index, part, folder)
            hows += [outcome.how for outcome in load_run(folder).outcomes]
        gone = [how for how in hows if how != "kept"]  # of prune all are
        return Made(load_student(folder), form_of(gone or hows), sum(shares) * len(bench.image_set.train))

    def _made(self, index: int, part: Bench, before: Path) -> Path:
        """The run folder of a stage, made now unless it is there, from that of the stage before it."""
        stages: dict[str, Any] = {"stages": [settings_of(stage) for stage in self.stages[: index + 1]]}
        folder = part.student_folder(self.recipe, stages)
        with claim(folder.parent, folder.name, wait=True):
            if not folder.exists():
                model = load_student(before) if index else None
                convert_into(folder, self.stages[index], part, model, UNNORMALISED if index else None)
        return folder


def shared_out(epochs: int, stages: int) -> list[int]:
    """Epochs of each stage, at least one, the last ones longer where they can't be alike.

    Example:
        >>> shared_out(5, 2), shared_out(1, 2)
        ([2, 3], [1, 1])
    """
    parts = (epochs * (index + 1) // stages - epochs * index // stages for index in range(stages))
    return [max(1, part) for part in parts]
