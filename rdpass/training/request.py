"""A conversion's request: what every recipe and the training engine read beside the model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdpass.training.config import DistillConfig
from rdpass.training.losses import Criteria
from rdpass.training.objective import Distance, Loss


@dataclass(frozen=True)
class Request:
    """What the user asked for, beside the model: the selection, the budget, the data, and where progress is kept.

    ``max_macs``: ratio to the teacher's. ``loss(outputs, batch)`` and ``distance(student_out, teacher_out)`` say what a
    task other than classification is measured by (``criteria``). ``checkpoint``: a file to save to after each epoch
    and, with ``resume``, to go on from.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    max_macs: float = 1.3
    train: Iterable[Any] | None = None
    validate: Iterable[Any] | None = None
    loss: Loss | None = None
    distance: Distance | None = None
    config: DistillConfig = field(default_factory=lambda: DistillConfig())
    checkpoint: Path | None = None
    resume: bool = False
    show_progress: bool = True

    @property
    def criteria(self) -> Criteria:
        return Criteria(self.config, self.loss, self.distance)
