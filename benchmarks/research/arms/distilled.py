"""Any network distilled from the bench's teacher, through ``rdpass.distill``, for as many steps as every arm has."""

from __future__ import annotations

from typing import Any

from torch import nn

import rdpass
from benchmarks.research.arms.bench import Bench
from rdpass.training.config import DistillConfig
from rdpass.training.objective import Distance, Loss


def distilled(
    student: nn.Module, bench: Bench, lr: float, loss: Loss | None = None, distance: Distance | None = None
) -> nn.Module:
    """The student after training, in eval mode; the one given stays as it is. ``loss``, ``distance`` as ``convert``."""
    plan = rdpass.inspect(bench.teacher, bench.image_set.example)
    pair = rdpass.Conversion(
        teacher=bench.teacher, student=student, plan=plan, cuts=(), outcomes=(), cost=plan.forecast.model, gates=(),
        history=(), example=(bench.image_set.example,), recipe="kd",
    )  # fmt: skip
    told: dict[str, Any] = {
        "epochs": bench.protocol.epochs, "seed": bench.seed, "device": bench.machine.device, "lr": lr,
        "weight_decay": bench.protocol.weight_decay, "amp": "bf16" if bench.machine.amp else None,
    }  # fmt: skip
    return rdpass.distill(
        pair, bench.image_set.train, DistillConfig(**told), loss=loss, distance=distance, show_progress=False
    ).student
