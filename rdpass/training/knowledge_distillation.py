"""The plainest objective: the student's own outputs against its teacher's and the targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rdpass.training.losses import Criteria
from rdpass.training.objective import Batch, Objective


class KnowledgeDistillation(Objective):
    """(1 - alpha) loss + alpha distance on the student's own path; see ``rdpass.training.losses``."""

    def __init__(self, student: nn.Module, teacher: nn.Module, criteria: Criteria) -> None:
        super().__init__(student, teacher)
        self._criteria = criteria

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            wanted = self.teacher(*batch.inputs)
        return self._criteria.terms(self.student(*batch.inputs), wanted, batch)
