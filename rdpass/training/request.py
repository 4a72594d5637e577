"""A conversion's request: what every recipe and the training engine read beside the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from rdpass.core.plan import Traced
from rdpass.training.config import DistillConfig
from rdpass.training.losses import Criteria
from rdpass.training.objective import Distance, Loss


@dataclass(frozen=True)
class Select:
    """Selection of the shortcuts to take, and of what tracing leaves whole. Globs are those of ``fnmatch``.

    Args:
        only: globs on the adds' node names or on paths of modules that they lie in; empty for all shortcuts.
        skip: such globs for shortcuts to leave alone; they win over ``only``.
        leaf: globs on the paths of submodules to keep whole where tracing can't follow them.

    Example:
        >>> import rdpass
        >>> kept = rdpass.convert(model, example, select=rdpass.Select(skip=["add_1"]), budget=rdpass.Budget(9.0))
        >>> [(outcome.add, outcome.how) for outcome in kept.outcomes]
        [('add', 'carried'), ('add_1', 'kept')]
    """

    only: Sequence[str] = ()
    skip: Sequence[str] = ()
    leaf: Sequence[str] = ()


@dataclass(frozen=True)
class Data:
    """Data that a student learns from, and what it is measured by.

    Args:
        train: batches of (inputs, targets), an iterable that can be gone through once an epoch; None for a recipe that
            does not train. docs/training.md lists all forms of a batch.
        validate: batches of the same form, for an accuracy (or a ``loss``) after each epoch; nothing is picked by it.
        loss: ``loss(outputs, batch)``, a scalar tensor, the mean over the batch's rows; ``batch`` has ``inputs`` and
            ``targets``. Or a name: of ``rdpass.registry.losses``, or ``pkg.mod:fn``. Default: cross-entropy of logits
            (N, classes, …) with class indices (N, …); targets of any other kind are refused at the first batch.
        distance: ``distance(student_out, teacher_out)`` beside it, or a name likewise. Default: tempered KL divergence
            of logits (arXiv 1503.02531), or, with a ``loss`` of one's own, the mean squared difference over the mean
            square.
        teacher: another network to learn from, with outputs of the same form; None for the model itself. The student
            still starts from the model.

    Example:
        >>> import rdpass
        >>> from rdpass.training.config import DistillConfig
        >>> data = rdpass.Data(train=loader, loss="cross_entropy", distance="relative")
        >>> quiet, once = rdpass.Output(show_progress=False), DistillConfig(epochs=1, lr=0.01)
        >>> student = rdpass.convert(model, example, data=data, output=quiet, config=once)
        >>> [outcome.how for outcome in student.outcomes], len(student.history)
        (['distilled', 'distilled'], 1)
    """

    train: Iterable[Any] | None = None
    validate: Iterable[Any] | None = None
    loss: str | Loss | None = None
    distance: str | Distance | None = None
    teacher: nn.Module | None = None


@dataclass(frozen=True)
class Budget:
    """Limits of a student's cost.

    Args:
        max_macs: how many multiply-accumulates an exact student may have, as a ratio to the model's. Trained recipes
            don't ask.

    Example:
        >>> import rdpass
        >>> tight, wide = (rdpass.convert(model, example, budget=rdpass.Budget(ratio)) for ratio in (1.6, 9.0))
        >>> len(tight.removed), len(wide.removed)
        (1, 2)
    """

    max_macs: float = 1.3


@dataclass(frozen=True)
class Request:
    """A user's request beside the model: the selection, the budget, the data, and where progress is kept.

    ``max_macs``: ratio to the teacher's. ``loss(outputs, batch)`` and ``distance(student_out, teacher_out)`` say what a
    task other than classification is measured by (``criteria``). ``checkpoint``: a file to save to after each epoch
    and, with ``resume``, to go on from. ``check_saved``: what a trained recipe calls before it trains, with a student
    of the form that its own is going to have; it raises where such a student can't be saved. ``teacher``: another
    network to learn from than the one that is converted. ``callbacks``: who is told how the training goes; ``stage``:
    which of several trainings it is.
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
    check_saved: Callable[[Traced], None] | None = None
    teacher: Traced | None = None
    callbacks: tuple[object, ...] = ()
    stage: str = ""

    @property
    def criteria(self) -> Criteria:
        return Criteria(self.config, self.loss, self.distance)
