"""A recipe of rdpass as an arm."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import rdpass
from benchmarks.accuracy_grids.arms import Result, Settings
from benchmarks.accuracy_grids.bench import Bench
from rdpass.config import DistillConfig

FORMS = {"kept": "projections", "carried": "carried"}  # of an outcome that is not strictly plain


@dataclass(frozen=True)
class RecipeArm:
    """``recipe`` with ``settings``, as ``rdpass.convert`` takes them; what is not said is the recipe's own choice.

    ``curve``: keep the shares of the gradient that come through the teacher in the record.
    """

    name: str
    recipe: str
    settings: Settings = field(default_factory=dict)
    curve: bool = False

    def run(self, bench: Bench) -> Result:
        conversion = self.convert(bench)
        outcomes = {FORMS.get(outcome.how, "plain") for outcome in conversion.outcomes}
        facts: dict[str, Any] = {"removed": len(conversion.removed), "shortcuts": len(conversion.outcomes)}
        if conversion.history:
            facts["loss"] = round(conversion.history[-1]["loss"], 4)
        if self.curve:
            facts["shares"] = shares(bench.run_folder / "history.jsonl")
        trained = bool(conversion.history)
        return Result(
            scores=bench.score(conversion.student),
            form=next(iter(outcomes - {"plain"}), "plain"),
            macs=conversion.cost.macs,
            peak_bytes=conversion.cost.fused.peak_bytes,
            separate_bytes=conversion.cost.separate.peak_bytes,
            steps=bench.protocol.epochs * len(bench.pictures.train) if trained else 0,
            facts=facts,
        )

    def convert(self, bench: Bench) -> rdpass.Conversion:
        """The conversion itself, gone on with where an interrupted one lies in the run's folder."""
        if self.recipe == "carry":
            return rdpass.convert(
                bench.teacher, bench.pictures.example, recipe="carry", max_macs=float("inf"), show_progress=False
            )
        protocol, machine = bench.protocol, bench.machine
        told: dict[str, Any] = {
            "epochs": protocol.epochs, "seed": bench.seed, "device": machine.device,
            "weight_decay": protocol.weight_decay, "amp": "bf16" if machine.amp else None, **self.settings,
        }  # fmt: skip
        shutil.rmtree(bench.run_folder, ignore_errors=True)
        return rdpass.convert(
            bench.teacher, bench.pictures.example, recipe=self.recipe, train=bench.pictures.train,
            config=DistillConfig(**told), out=bench.run_folder, resume="auto", show_progress=False,
        )  # fmt: skip


def shares(history: Path) -> Mapping[str, list[list[float]]]:
    """By stage, [step, share] of the gradient's norm that came through the teacher."""
    curves: dict[str, list[list[float]]] = {}
    for line in history.read_text().splitlines():
        for name, value in (told := json.loads(line)).items():
            if name.startswith("share."):
                curves.setdefault(name.removeprefix("share."), []).append([told["step"], round(value, 4)])
    return curves
