"""What an arm is given: a teacher with its accuracies, images where they are trained on, a place to keep things."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.research.identity import identity_of
from benchmarks.research.images.batches import ImageSet
from benchmarks.research.networks import Net
from benchmarks.research.processor import processor_name
from benchmarks.research.protocols import Protocol
from rdpass.training.evaluation import accuracy


@dataclass(frozen=True)
class Machine:
    """Where things run: ``device`` (cpu, cuda), ``amp`` for bfloat16 forward passes, ``folder`` for what is kept.

    ``data_root``: where images lie that no package has installed.
    """

    device: str
    amp: bool
    folder: Path
    data_root: Path | None = None

    @property
    def name(self) -> str:
        """As a record tells it."""
        return torch.cuda.get_device_name() if self.device.startswith("cuda") else "cpu"

    @property
    def processor(self) -> str:
        """The CPU's name where it does the work, else nothing."""
        return processor_name() if self.name == "cpu" else ""


@dataclass(frozen=True)
class Scores:
    """Per cent of validation and test images that are right."""

    validation: float
    test: float


@dataclass(frozen=True)
class Bench:
    """One network, trained with shortcuts, and everything an arm needs to do without them."""

    net: Net
    protocol: Protocol
    seed: int
    image_set: ImageSet
    teacher: nn.Module
    teacher_scores: Scores
    machine: Machine

    @property
    def steps(self) -> int:
        """Of every arm that trains."""
        return self.protocol.epochs * len(self.image_set.train)

    def student_folder(self, recipe: str, settings: Mapping[str, Any]) -> Path:
        """Where the run folder of a recipe's student lies, whichever arms ask for it."""
        name = identity_of(self.net, self.protocol, recipe, settings, self.seed, self.machine.amp)
        return self.machine.folder / "students" / name

    def score(self, model: nn.Module) -> Scores:
        return scored(model, self.image_set, self.machine.device)


def scored(model: nn.Module, image_set: ImageSet, device: str) -> Scores:
    """The model's accuracies; afterwards it is on the CPU again."""
    model.to(device)
    values = [accuracy(model, part.batches(), device) for part in (image_set.validation, image_set.test)]
    model.to("cpu")
    return Scores(*(round(value, 2) for value in values))
