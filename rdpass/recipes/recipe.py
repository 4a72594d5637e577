"""What a recipe is given and what it gives back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rdpass.comparison import Gate
from rdpass.config import DistillConfig
from rdpass.types import Outcome, Plan, Traced


@dataclass(frozen=True)
class Request:
    """What the user asked for, beside the model: the selection, the budget, the data, and where progress is kept.

    ``max_macs``: ratio to the teacher's. ``checkpoint``: a file to save to after each epoch and, with ``resume``, to
    go on from.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    max_macs: float = 1.3
    train: Iterable[Any] | None = None
    validate: Iterable[Any] | None = None
    config: DistillConfig = field(default_factory=DistillConfig)
    checkpoint: Path | None = None
    resume: bool = False
    show_progress: bool = True


@dataclass(frozen=True)
class Removal:
    """A student in its final form, and how each shortcut went."""

    student: Traced
    outcomes: tuple[Outcome, ...]
    gates: tuple[Gate, ...]
    history: tuple[dict[str, float], ...] = ()


class Recipe(Protocol):
    """Removes the removable shortcuts of ``plan`` from a graph; ``teacher`` is not changed."""

    def __call__(self, teacher: Traced, plan: Plan, request: Request) -> Removal: ...
