"""A recipe of rdpass as an arm."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

import rdpass
from benchmarks.research.arms.arm import Footprint, Made, Result, Settings
from benchmarks.research.arms.bench import Bench
from benchmarks.research.claims import claim
from rdpass.runs.folder import load_run, training_state
from rdpass.training.checkpoint import has_checkpoint
from rdpass.training.config import DistillConfig

FORMS = {"kept": "projections", "carried": "carried"}  # of an outcome that is not strictly plain
EXACT = ("carry", "merge")
FADE = 0.75  # of the arms that do not say it: every recipe's default when they got their names


@dataclass(frozen=True)
class RecipeArm:
    """``recipe`` with ``settings``, as ``rdpass.convert`` takes them; what is not said is the recipe's own choice.

    ``curve``: put the shares of the gradient that come through the teacher into the record.
    """

    name: str
    recipe: str
    settings: Settings = field(default_factory=dict)
    curve: bool = False

    def run(self, bench: Bench) -> Result:
        begun = is_begun(bench.student_folder(self.recipe, self.settings))
        folder = made_student(self, bench)
        told = json.loads((folder / "conversion.json").read_text())
        facts: dict[str, Any] = {"shortcuts": len(told["outcomes"]), "whole": not begun}
        if told["history"]:
            facts["loss"] = round(told["history"][-1]["loss"], 4)
        if self.curve:
            facts["shares"] = shares(folder / "history.jsonl")
        cost = told["cost"]
        traffic = cost["fused"]["read_bytes"] + cost["fused"]["written_bytes"]
        return Result(
            scores=bench.score(load_student(folder)),
            form=form_of([outcome["how"] for outcome in told["outcomes"]]),
            footprint=Footprint(cost["macs"], cost["fused"]["peak_bytes"], cost["separate"]["peak_bytes"], traffic),
            steps=bench.steps if told["history"] else 0,
            facts=facts,
        )

    def make(self, bench: Bench) -> Made:
        conversion = load_run(made_student(self, bench))
        form = form_of([outcome.how for outcome in conversion.outcomes])
        return Made(conversion.student, form, bench.steps if conversion.history else 0)


def form_of(outcomes: Sequence[str]) -> str:
    """The form of a network by how its shortcuts went."""
    if set(outcomes) == {"kept"}:
        return "residual"
    return next((FORMS[how] for how in outcomes if how in FORMS), "plain")


def is_begun(folder: Path) -> bool:
    """Whether an earlier run, or another arm's, has trained some or all of it: a run's seconds are not all there is."""
    return folder.exists() or has_checkpoint(training_state(folder))


def made_student(arm: RecipeArm, bench: Bench) -> Path:
    """The run folder of the arm's student, made now unless it is there; an interrupted training goes on."""
    folder = bench.student_folder(arm.recipe, arm.settings)
    with claim(folder.parent, folder.name, wait=True):
        if not folder.exists():
            convert_into(folder, arm, bench)
    return folder


def convert_into(
    folder: Path, arm: RecipeArm, bench: Bench, model: nn.Module | None = None, settings: Settings | None = None
) -> None:
    """Convert the teacher, or ``model`` with the teacher as the one to learn from, with further ``settings``."""
    example = bench.image_set.example
    if arm.recipe in EXACT:
        rdpass.convert(
            bench.teacher, example, recipe=arm.recipe, max_macs=float("inf"), out=folder, show_progress=False
        )
        return
    protocol, machine = bench.protocol, bench.machine
    told: dict[str, Any] = {
        "fade": FADE, "epochs": protocol.epochs, "seed": bench.seed, "device": machine.device,
        "weight_decay": protocol.weight_decay, "amp": "bf16" if machine.amp else None, **arm.settings,
        **(settings or {}),
    }  # fmt: skip
    rdpass.convert(
        model or bench.teacher, example, recipe=arm.recipe, train=bench.image_set.train,
        teacher=bench.teacher if model is not None else None, config=DistillConfig(**told), out=folder, resume="auto",
        show_progress=False,
    )  # fmt: skip


def name_of(of: RecipeArm | None) -> str:
    """What makes the network that an arm goes on with; None is the teacher itself."""
    return of.name if of else "residual teacher"


def settings_of(of: RecipeArm | None) -> dict[str, Any] | None:
    """The same in a record."""
    return {"recipe": of.recipe, "settings": of.settings} if of else None


def network_of(of: RecipeArm | None, bench: Bench) -> nn.Module:
    """The same made, now unless it is there."""
    return load_student(made_student(of, bench)) if of else bench.teacher


def load_student(folder: Path) -> nn.Module:
    """The student of a run folder, its layers as modules."""
    return load_run(folder).student


def shares(history: Path) -> Mapping[str, list[list[float]]]:
    """By stage, [step, share] of the gradient's norm that came through the teacher."""
    curves: dict[str, list[list[float]]] = {}
    for line in history.read_text().splitlines():
        for name, value in (told := json.loads(line)).items():
            if name.startswith("share."):
                curves.setdefault(name.removeprefix("share."), []).append([told["step"], round(value, 4)])
    return curves
