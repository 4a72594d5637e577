"""Int8 by rdpass: rounded to the nearest, by outputs, with wide diagonals, or trained with fake quantisation."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from benchmarks.research.arms.arm import Result
from benchmarks.research.arms.bench import Bench, Scores
from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.arms.quantised_arm import CALIBRATED, TOGETHER, accuracy_of
from benchmarks.research.arms.recipe_arm import RecipeArm, name_of, network_of, settings_of
from rdpass.training.config import DistillConfig

Cure = Literal["nearest", "outputs", "diagonal", "trained"]
WORDS: Mapping[Cure, str] = {
    "nearest": "to the nearest",
    "outputs": "by outputs",
    "diagonal": "by outputs, wide diagonals",
    "trained": "trained",
}
CHOOSING = 500  # validation images that a calibrator is chosen on
EPOCHS, RATE = 3, 1e-3


@dataclass(frozen=True)
class CuredArm:
    """``of`` makes the network; None is the teacher itself. A network that is trained takes ``EPOCHS`` more."""

    of: RecipeArm | None
    cure: Cure
    recipe: str = field(default="int8")

    @property
    def name(self) -> str:
        return f"{name_of(self.of)}: int8, {WORDS[self.cure]}"

    @property
    def settings(self) -> Mapping[str, Any]:
        trained = {"epochs": EPOCHS, "lr": RATE} if self.cure == "trained" else {}
        return {"of": settings_of(self.of), "cure": self.cure, "calibrated": CALIBRATED, **trained}

    def run(self, bench: Bench) -> Result:
        model = network_of(self.of, bench)
        before = bench.score(model)
        held = [part.on("cpu") for part in (bench.image_set.validation, bench.image_set.test)]
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "int8.onnx"
            facts = trained(model, bench, place) if self.cure == "trained" else rounded(model, bench, self.cure, place)
            scores = Scores(*(round(accuracy_of(place, part), 2) for part in held))
        lost = {
            "float_accuracy": before.test,
            "float_validation": before.validation,
            "lost": round(before.test - scores.test, 2),
            "lost_on_validation": round(before.validation - scores.validation, 2),
        }
        steps = bench.steps if self.of else 0
        form = "plain" if self.of else "residual"
        return Result(scores, form, footprint_of(model, bench.image_set.example), steps, {**lost, **facts})


def together(bench: Bench) -> int:
    """Images in a batch of the file: no more than there are of any kind."""
    return min(TOGETHER, len(bench.image_set.train.images), len(bench.image_set.validation.images))


def rounded(model: nn.Module, bench: Bench, cure: Cure, place: Path) -> dict[str, Any]:
    """Write the network in int8 without training, for batches of many."""
    import rdpass

    images, validation = bench.image_set.train.images.cpu(), bench.image_set.validation.on("cpu").images
    made = rdpass.quantize(
        model, images[: together(bench)], calibrate=images[:CALIBRATED], validate=validation[:CHOOSING], out=place,
        rounding="nearest" if cure == "nearest" else "outputs", diagonal=cure == "diagonal", show_progress=False,
    )  # fmt: skip
    return {"calibrator": made.report.calibrator, "sqnr": round(made.report.sqnr, 1)}


def trained(model: nn.Module, bench: Bench, place: Path) -> dict[str, Any]:
    """Write the network in int8 after a training with fake quantisation, as a conversion's last stage does it.

    The float network is not trained again: all arms of a seed quantise one.
    """
    from rdpass.capture.trace import trace
    from rdpass.passes.graph.deploy_form import DEPLOY_FORM
    from rdpass.passes.graph.pass_manager import run_passes
    from rdpass.recipes.quantised_training import train_quantised
    from rdpass.training.request import Request

    image_set, machine = bench.image_set, bench.machine
    told: dict[str, Any] = {
        "seed": bench.seed, "device": machine.device, "weight_decay": bench.protocol.weight_decay,
        "quantize": {"epochs": EPOCHS, "lr": RATE},
    }  # fmt: skip
    request = Request(
        train=image_set.train, validate=list(image_set.validation.on("cpu").batches(together(bench))),
        config=DistillConfig(**told), show_progress=False,
    )  # fmt: skip
    student = run_passes(trace(model, (image_set.train.images[: together(bench)].cpu(),)), DEPLOY_FORM)
    made, _ = train_quantised(student, bench.teacher, request)
    made.save(place)
    training = made.report.training
    assert training is not None
    return {"rounded_on_validation": round(training.rounded, 2), "trained_on_validation": round(training.trained, 2),
            "kept": training.kept, "steps_in_int8": EPOCHS * len(image_set.train)}  # fmt: skip
