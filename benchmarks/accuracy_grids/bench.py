"""What an arm is given: a teacher with its accuracies, pictures where they are trained on, and a place to keep things."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from benchmarks.accuracy_grids.networks import Net
from benchmarks.accuracy_grids.pictures import Pictures
from benchmarks.accuracy_grids.protocols import Protocol
from rdpass.training import accuracy


@dataclass(frozen=True)
class Machine:
    """Where things run: ``device`` (cpu, cuda), ``amp`` for bfloat16 forward passes, ``folder`` for what is kept."""

    device: str
    amp: bool
    folder: Path

    @property
    def name(self) -> str:
        """As a record tells it."""
        return torch.cuda.get_device_name() if self.device.startswith("cuda") else "cpu"


@dataclass(frozen=True)
class Scores:
    """Per cent of validation and test pictures that are right."""

    validation: float
    test: float


@dataclass(frozen=True)
class Bench:
    """One network, trained with shortcuts, and everything an arm needs to do without them."""

    net: Net
    protocol: Protocol
    seed: int
    pictures: Pictures
    teacher: nn.Module
    teacher_scores: Scores
    machine: Machine
    run_folder: Path

    def score(self, model: nn.Module) -> Scores:
        return scored(model, self.pictures, self.machine.device)


def scored(model: nn.Module, pictures: Pictures, device: str) -> Scores:
    """The model's accuracies; afterwards it is on the CPU again."""
    model.to(device)
    values = [accuracy(model, part.batches(), device) for part in (pictures.validation, pictures.test)]
    model.to("cpu")
    return Scores(*(round(value, 2) for value in values))
