"""Losses of a student's outputs: the task's own, and the distance to its teacher's outputs.

    total = (1 - alpha) loss(student, batch) + alpha distance(student, teacher)

For logits (N, classes, ...), the default, this is Hinton's distillation (arXiv 1503.02531): cross-entropy with the
labels, and T^2 KL(teacher / T || student / T), both averaged over rows and positions. Without targets the teacher's
part stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from rdpass.core.errors import ConfigError
from rdpass.core.registry import Registry, a_callable
from rdpass.core.tensors import tensors_in
from rdpass.training.config import DistillConfig
from rdpass.training.objective import Batch, Distance, Loss


@dataclass(frozen=True)
class Criteria:
    """A task's loss and distance, and the weight ``alpha`` between them.

    ``loss`` None: cross-entropy with integer labels. ``distance`` None: tempered KL divergence of logits, or, beside a
    loss of the user's own, ``relative_distance`` of whatever the outputs are.
    """

    config: DistillConfig
    loss: Loss | None = None
    distance: Distance | None = None

    def terms(self, outputs: Any, wanted: Any, batch: Batch) -> dict[str, Tensor]:
        """``task`` and ``teacher``, weighted; ``teacher`` alone where there is nothing but the teacher to learn from.

        Raises:
            ConfigError: the outputs are not logits, and it was not said how to measure them.
        """
        alpha = self.config.alpha
        distance = self.distance_of(outputs, wanted)
        if self.loss is None and batch.targets is None:
            return {"teacher": distance}
        return {"task": (1 - alpha) * self.loss_of(outputs, batch), "teacher": alpha * distance}

    def loss_of(self, outputs: Any, batch: Batch) -> Tensor:
        """The task's loss, unweighted; for logits the cross-entropy with ``batch.targets``, (N, ...) class indices."""
        return (self.loss or cross_entropy)(outputs, batch)

    def distance_of(self, outputs: Any, wanted: Any) -> Tensor:
        """Distance of the student's outputs from the teacher's, unweighted."""
        if self.distance is not None:
            return self.distance(outputs, wanted)
        if self.loss is not None:
            return relative_distance(outputs, wanted)
        return divergence(check_logits(outputs), check_logits(wanted), self.config.temperature)


def cross_entropy(outputs: Any, batch: Batch) -> Tensor:
    """Cross-entropy of logits (N, classes, ...) with ``batch.targets``, (N, ...) class indices.

    Raises:
        ConfigError: the outputs are not logits, or the targets not one tensor.
    """
    if not isinstance(batch.targets, Tensor):
        raise ConfigError(f"labels are wanted as one tensor, not {_kind(batch.targets)}; pass loss= to say how")
    return F.cross_entropy(check_logits(outputs), batch.targets)


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)) over axis 1, averaged over all others."""
    learnt = F.kl_div(
        F.log_softmax(student / temperature, 1),
        F.log_softmax(teacher / temperature, 1),
        reduction="none",
        log_target=True,
    )
    return temperature**2 * learnt.sum(1).mean()


def relative_distance(outputs: Any, wanted: Any) -> Tensor:
    """Mean squared difference over the mean square of the teacher's, averaged over all floating-point outputs.

    Free of scale, so that one ``alpha`` suits outputs of any unit. A teacher's output of nothing but zeros has no scale
    and is compared absolutely.

    Raises:
        ConfigError: there is no floating-point output to compare.
    """
    pairs = zip(tensors_in(outputs), tensors_in(wanted), strict=True)
    errors = [F.mse_loss(got, aim) / _power(aim) for got, aim in pairs if aim.is_floating_point()]
    if not errors:
        raise ConfigError("the model gives no floating-point output to distil; pass distance= to say how")
    return torch.stack(errors).mean()


def _power(x: Tensor) -> Tensor:
    """The mean square, or 1 where that is 0 up to what the type can hold."""
    power = x.square().mean()
    return torch.where(power >= torch.finfo(x.dtype).tiny, power, torch.ones_like(power))


LOSSES: Mapping[str, Loss] = {"cross_entropy": cross_entropy}
DISTANCES: Mapping[str, Distance] = {"relative": relative_distance}
losses: Registry[Loss] = Registry("loss", "rdpass.losses", LOSSES, a_callable("loss"))
distances: Registry[Distance] = Registry("distance", "rdpass.distances", DISTANCES, a_callable("distance"))


def find_loss(given: str | Loss | None) -> Loss | None:
    """A loss by its name, or as it is.

    Raises:
        ConfigError: none has that name, or its package can't be loaded.
    """
    return losses.find(given) if isinstance(given, str) else given


def find_distance(given: str | Distance | None) -> Distance | None:
    """A distance by its name, or as it is.

    Raises:
        ConfigError: none has that name, or its package can't be loaded.
    """
    return distances.find(given) if isinstance(given, str) else given


def check_logits(outputs: Any) -> Tensor:
    """The outputs as one tensor of logits (N, classes, ...).

    Raises:
        ConfigError: they are something else.
    """
    if isinstance(outputs, Tensor) and outputs.ndim >= 2:
        return outputs
    raise ConfigError(
        f"without loss= training is for models that give one tensor of logits (N, classes, …); this one gave"
        f" {_kind(outputs)}; pass loss(outputs, batch) and, if need be, distance(student_out, teacher_out)"
    )


def _kind(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
