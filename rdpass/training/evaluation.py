"""Evaluate a model on held-out batches: accuracy where there are classes, else the mean of the task's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.core.errors import DivergedError
from rdpass.training.batches import Unpacking, placed, rows_of, unpacking_for
from rdpass.training.loading import failures_named
from rdpass.training.losses import Criteria, check_logits
from rdpass.training.objective import Batch
from rdpass.training.request import Request
from rdpass.training.world import World

Score = Callable[[Any, Batch], tuple[float, float]]


def evaluate(model: nn.Module, request: Request, world: World) -> dict[str, float]:
    """``accuracy`` (per cent) for classification, ``validation_loss`` for a task with a loss of its own."""
    assert request.validate is not None
    device = request.config.device
    if request.loss is None:
        return {"accuracy": accuracy(model, request.validate, device, world)}
    return {"validation_loss": mean_loss(model, request.validate, request.criteria, device, world)}


@torch.no_grad()
def accuracy(
    model: Callable[..., Tensor], loader: Iterable[Any], device: str = "cpu", world: World | None = None
) -> float:
    """Per cent of a loader's labels that are the largest logit's index; a module is put into eval mode for it.

    Raises:
        DivergedError: the loader is empty or has no labels.
    """

    def score(outputs: Any, batch: Batch) -> tuple[float, float]:
        assert isinstance(batch.targets, Tensor)
        return float((check_logits(outputs).argmax(1) == batch.targets).sum()), float(batch.targets.numel())

    return 100.0 * _mean(model, loader, score, device, world or World(), labelled=True)


@torch.no_grad()
def mean_loss(
    model: nn.Module, loader: Iterable[Any], criteria: Criteria, device: str = "cpu", world: World | None = None
) -> float:
    """The task's loss over a loader's rows.

    Raises:
        DivergedError: the loader is empty.
    """

    def score(outputs: Any, batch: Batch) -> tuple[float, float]:
        rows = rows_of(batch)
        return float(criteria.loss_of(outputs, batch)) * rows, float(rows)

    return _mean(model, loader, score, device, world or World(), labelled=False)


def _mean(
    model: Callable[..., Any], loader: Iterable[Any], score: Score, device: str, world: World, labelled: bool
) -> float:
    """Sum of scores over sum of weights; of several processes each looks at every ``size``-th batch."""
    unpacking = Unpacking(("x",), 1)
    if isinstance(model, nn.Module):
        model.eval()
        unpacking = unpacking_for(model)
    sums = torch.zeros(2, dtype=torch.float64)
    with failures_named("validation", 0):
        batches = iter(loader)
    for index in count():
        with failures_named("validation", index):
            raw = next(batches, batches)
        if raw is batches:
            break
        batch = unpacking.batch(raw, index)
        if labelled and not isinstance(batch.targets, Tensor):
            raise DivergedError(f"validation batch {index} has no labels to compare with")
        if index % world.size == world.rank:
            batch = placed(batch, device, torch.contiguous_format)
            sums += torch.tensor(score(model(*batch.inputs), batch), dtype=torch.float64)
    sums = world.total(sums.to(device)).cpu()
    if not sums[1]:
        raise DivergedError("the validation loader gave no batch")
    return float(sums[0] / sums[1])
