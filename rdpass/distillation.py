"""``distill``: a conversion's student learns further from its teacher."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from rdpass.capture.plain_copy import plain_copy
from rdpass.core.errors import ConfigError
from rdpass.core.image_settings import settings_of
from rdpass.runs.result import Conversion
from rdpass.scoring.held_out import compare_on_held_out
from rdpass.training.callbacks import check_callbacks
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train as run_training
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.losses import find_distance, find_loss
from rdpass.training.objective import Distance, Loss
from rdpass.training.request import Request


def distill(
    conversion: Conversion,
    train: Iterable[Any],
    config: DistillConfig | None = None,
    *,
    validate: Iterable[Any] | None = None,
    loss: str | Loss | None = None,
    distance: str | Distance | None = None,
    show_progress: bool = True,
    callbacks: Sequence[object] = (),
) -> Conversion:
    """Train a conversion's student further against its teacher; the conversion given is left as it is.

    Args:
        conversion: what ``convert`` or ``load_run`` gave, or one's own.
        train: batches of (inputs, integer class labels), or of inputs alone.
        config: see ``DistillConfig``; nothing fades here.
        validate: batches of the same form, for an accuracy after each epoch.
        loss: what a task other than classification is measured by, as a function or a registered name; see ``Data``.
        distance: likewise, how far outputs are from the teacher's.
        show_progress: show on stderr how far it is.
        callbacks: who is told how it goes; see ``rdpass.training.callbacks``.

    Returns:
        The conversion with the new student, and its epochs after those that were in ``history``. A student in int8 was
        made of the one before, and is left out.

    Raises:
        ConfigError: the conversion has no teacher, or no loss or distance has that name.
        DivergedError: the data or the loss are not usable.

    Source: the default loss is Hinton's distillation (arXiv 1503.02531).

    Example:
        >>> import rdpass
        >>> from rdpass.training.config import DistillConfig
        >>> exact = rdpass.convert(model, example, max_macs=9.0)
        >>> tuned = rdpass.distill(exact, loader, DistillConfig(epochs=2, lr=1e-3), show_progress=False)
        >>> len(exact.history), len(tuned.history)
        (0, 2)
    """
    if conversion.teacher is None:
        raise ConfigError(
            "the conversion has no teacher to learn from; a run folder holds none: load it with"
            " rdpass.load_run(path, teacher=model)"
        )
    check_callbacks(callbacks)
    student, teacher = copy.deepcopy(conversion.student), plain_copy(conversion.teacher).module
    request = Request(
        train=train, validate=validate, loss=find_loss(loss), distance=find_distance(distance),
        config=config or DistillConfig(), show_progress=show_progress, callbacks=tuple(callbacks),
    )  # fmt: skip
    history = run_training(KnowledgeDistillation(student, teacher, request.criteria), request)
    compared = compare_on_held_out(teacher, student, request)
    # A student in int8 was made of the one before, and estimates are of both.
    return replace(
        conversion, student=student.eval(), history=(*conversion.history, *history), compared=compared, int8=None,
        estimated=None, images=settings_of(train) or conversion.images,
    )  # fmt: skip
