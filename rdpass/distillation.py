"""``distill``: a conversion's student learns further from its teacher."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rdpass.capture.plain_weights import copy_with_plain_weights
from rdpass.runs.result import Conversion
from rdpass.training.config import DistillConfig
from rdpass.training.engine import train as run_training
from rdpass.training.knowledge_distillation import KnowledgeDistillation
from rdpass.training.objective import Distance, Loss
from rdpass.training.request import Request


def distill(
    conversion: Conversion,
    train: Iterable[Any],
    config: DistillConfig | None = None,
    *,
    validate: Iterable[Any] | None = None,
    loss: Loss | None = None,
    distance: Distance | None = None,
    show_progress: bool = True,
) -> Conversion:
    """Train a conversion's student further against its teacher; the conversion given is left as it is.

    Args:
        conversion: what ``convert`` gave, or one's own.
        train: batches of (inputs, integer class labels), or of inputs alone.
        config: see ``DistillConfig``; nothing fades here.
        validate: batches of the same form, for an accuracy after each epoch.
        loss, distance: what a task other than classification is measured by; see ``convert``.

    Raises:
        DivergedError: the data or the loss are not usable.
    """
    student, teacher = copy.deepcopy(conversion.student), copy_with_plain_weights(conversion.teacher)
    request = Request(
        train=train, validate=validate, loss=loss, distance=distance, config=config or DistillConfig(),
        show_progress=show_progress,
    )  # fmt: skip
    history = run_training(KnowledgeDistillation(student, teacher, request.criteria), request)
    return replace(conversion, student=student.eval(), history=(*conversion.history, *history))
