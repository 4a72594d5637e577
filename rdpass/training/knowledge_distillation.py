"""The plainest objective: the student's own outputs against its teacher's and the targets."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch, Objective


class KnowledgeDistillation(Objective):
    """(1 - alpha) loss + alpha distance on the student's own path; see ``rdpass.training.losses``.

    ``on_progress`` is told how much of the training is done before each step; whatever fades listens there.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher: nn.Module,
        criteria: Criteria,
        on_progress: Callable[[float], None] = lambda progress: None,
    ) -> None:
        super().__init__(student, teacher)
        self._criteria, self._on_progress = criteria, on_progress

    def set_progress(self, progress: float) -> None:
        self._on_progress(progress)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self.teacher(*batch.inputs)
        return self._criteria.terms(self.student(*batch.inputs), wanted, batch)
