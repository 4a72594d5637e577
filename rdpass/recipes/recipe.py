"""What a recipe is given and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rdpass.comparison import Gate
from rdpass.training.config import DistillConfig, with_defaults
from rdpass.training.losses import Criteria
from rdpass.training.objective import Distance, Loss
from rdpass.types import Outcome, Plan, Traced


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


@dataclass(frozen=True)
class Removal:
    """A student in its final form, and how each shortcut went."""

    student: Traced
    outcomes: tuple[Outcome, ...]
    gates: tuple[Gate, ...]
    history: tuple[dict[str, float], ...] = ()


@dataclass(frozen=True)
class Recipe:
    """A way to lose shortcuts. ``remove`` takes those that ``Plan.removable`` lists; the graph it is given stays.

    ``defaults``: what the recipe wants of the settings that were left unsaid, ``{"lr": …, "paths": {"mixed": …}}``.
    """

    name: str
    needs_data: bool
    remove: Callable[[Traced, Plan, Request], Removal]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def complete(self, config: DistillConfig) -> DistillConfig:
        """The settings with this recipe's defaults in the place of what was left unsaid; the same when asked again."""
        return with_defaults(config, self.defaults)
