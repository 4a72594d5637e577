"""Features learnt on one data set, used on another: a new last layer alone, or the whole network tuned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule
from torch.nn import functional as F

from benchmarks.research.arms.arm import Result
from benchmarks.research.arms.bench import Bench, Scores, scored
from benchmarks.research.arms.deployed import deployed
from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.arms.recipe_arm import RecipeArm, name_of, network_of, settings_of
from benchmarks.research.arms.supervised import train_by
from benchmarks.research.images.batches import ImageSet
from benchmarks.research.images.digits import digit_images

EPOCHS = 30  # of the digits
RATES = {"last layer": (0.1, 1.0, 10.0), "all layers": (0.001, 0.004, 0.016, 0.064)}


@dataclass(frozen=True)
class TransferArm:
    """``of`` makes the network; None is the teacher itself. ``tuned``: ``last layer`` or ``all layers``.

    All are tuned in the form they are deployed in, without batch norms, by labels, for the same steps, once with each
    rate; the one that validation images like best counts, so that no network is judged by another's rate.
    """

    of: RecipeArm | None
    tuned: str
    recipe: str = field(default="transfer")

    @property
    def name(self) -> str:
        return f"{name_of(self.of)}: {self.tuned}, best rate"

    @property
    def settings(self) -> Mapping[str, Any]:
        return {
            "of": settings_of(self.of),
            "tuned": self.tuned,
            "to": "digits",
            "epochs": EPOCHS,
            "rates": RATES[self.tuned],
        }

    def run(self, bench: Bench) -> Result:
        example = bench.image_set.example
        source = network_of(self.of, bench)
        image_set = digit_images(example.shape[-1], bench.seed).on(bench.machine.device)
        tried = {rate: self._tuned(source, image_set, rate, bench) for rate in RATES[self.tuned]}
        best = max(tried, key=lambda rate: tried[rate].validation)
        facts = {"rate": best, "tried": {str(rate): scores.validation for rate, scores in tried.items()}}
        form, steps = "plain" if self.of else "residual", EPOCHS * len(image_set.train)
        return Result(tried[best], form, footprint_of(source, example), steps, facts, same_task=False)

    def _tuned(self, source: nn.Module, image_set: ImageSet, rate: float, bench: Bench) -> Scores:
        device = bench.machine.device
        model = with_new_head(deployed(source, bench.image_set.example), image_set.classes, bench.seed)
        if self.tuned == "last layer":
            freeze_but_head(model)
        protocol = replace(bench.protocol, peak=rate)
        train_by(F.cross_entropy, model, image_set.train, protocol, EPOCHS, bench.seed, device, bench.machine.amp)
        return scored(model, image_set, device)


def head_of(model: GraphModule) -> str:
    """The path of the last linear layer."""
    return str([name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1])


def with_new_head(model: GraphModule, classes: int, seed: int) -> GraphModule:
    """The model with its last layer drawn anew, in place."""
    path = head_of(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.set_submodule(path, nn.Linear(model.get_submodule(path).in_features, classes))  # type: ignore[arg-type]
    return model.requires_grad_(True)


def freeze_but_head(model: GraphModule) -> None:
    model.requires_grad_(False)
    model.get_submodule(head_of(model)).requires_grad_(True)
