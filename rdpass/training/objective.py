"""Objective of a training: a module whose forward returns the named terms of the loss.

The engine knows no recipe and no task. Before each optimiser step it calls ``set_progress``, for each batch
``forward``, adds the terms up, and logs every term under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor, nn


@dataclass(frozen=True)
class Batch:
    """One batch of a loader: the model's inputs, in its order, and whatever the loader gave beside them."""

    inputs: tuple[Tensor, ...]
    targets: Any = None


class Objective(nn.Module):
    """Objective of a training step; a module, so that DDP, device moves and ``state_dict`` see all that is trained.

    The teacher is frozen and stays in eval mode, or a suffix of it would take up the student's statistics. An objective
    that trains it along overrides ``train`` and thaws it after this constructor.

    An objective may offer ``gradient_share(batch) -> dict[str, float]``: which part of the norm of the student's
    gradient comes through the teacher, per stage. The engine asks now and then, and keeps ``grad``, buffers and random
    generators as they were around it.
    """

    student: nn.Module
    teacher: nn.Module

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student = student.requires_grad_(True)  # the model it comes from may have been frozen
        self.teacher = teacher.eval().requires_grad_(False)

    def train(self, mode: bool = True) -> Self:
        """Everything into training mode but the teacher."""
        super().train(mode)
        self.teacher.eval()
        return self

    def set_progress(self, progress: float) -> Mapping[str, float]:
        """Told before each step how much of the training is done: 0 at the first step, near 1 at the last.

        What it gives back by name is shown and kept beside the terms: how far the shortcuts have faded.
        """
        return {}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Named scalar terms, weighted already; the loss is their sum. Each is a mean over the batch's rows."""
        raise NotImplementedError


Loss = Callable[[Any, Batch], Tensor]
Distance = Callable[[Any, Any], Tensor]
Listener = Callable[[float], Mapping[str, float]]  # asked as ``Objective.set_progress`` is


def nothing_fades(progress: float) -> Mapping[str, float]:
    """The listener of recipes whose shortcuts are gone from the first step."""
    return {}
