"""SGD with Nesterov momentum; no weight decay on normalisation, biases and gains; warm-up into a cosine to zero."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from rdpass.training.config import DistillConfig


def make_optimiser(model: nn.Module, config: DistillConfig) -> torch.optim.Optimizer:
    """For the parameters of ``model`` that are not frozen."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = parameter_groups(trained, config.weight_decay)
    return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, nesterov=config.momentum > 0)


def learning_rate(step: int, total: int, config: DistillConfig) -> float:
    """Linear from near zero over the first ``config.warmup`` of the steps, times a cosine from ``config.lr`` to 0."""
    warm = min(1.0, (step + 1) / max(1.0, config.warmup * total))
    return config.lr * warm * 0.5 * (1 + math.cos(math.pi * step / total))


def parameter_groups(parameters: Iterable[nn.Parameter], weight_decay: float) -> list[dict[str, Any]]:
    """Weights of layers with decay; gains, biases and normalisation, all of one axis longer than 1, without."""
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for parameter in parameters:
        long_axes = sum(size > 1 for size in parameter.shape)
        (decayed if parameter.ndim > 1 and long_axes > 1 else free).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
