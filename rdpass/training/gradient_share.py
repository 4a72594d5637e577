"""Asks an objective how much of the student's gradient comes through the teacher, and leaves no trace of asking."""

from __future__ import annotations

import torch

from rdpass.training.generators import kept_generators
from rdpass.training.objective import Batch, Objective


def gradient_share(objective: Objective, batch: Batch) -> dict[str, float]:
    """The shares by stage; none where the objective does not offer them. Gradients, buffers and generators stay."""
    ask = getattr(objective, "gradient_share", None)
    if not callable(ask):
        return {}
    buffers = [(buffer, buffer.clone()) for buffer in objective.buffers()]
    gradients = [(parameter, parameter.grad) for parameter in objective.parameters()]
    with kept_generators():
        shares: dict[str, float] = ask(batch)
    with torch.no_grad():
        for buffer, value in buffers:
            buffer.copy_(value)
    for parameter, gradient in gradients:
        parameter.grad = gradient
    return shares
