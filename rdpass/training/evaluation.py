"""Evaluate a model on held-out batches: accuracy where there are classes, else the mean of the task's loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from rdpass.core.errors import DivergedError
from rdpass.training.batches import Unpacking, placed, rows_of, step_named, unpacking_for
from rdpass.training.generators import Stream, kept_generators
from rdpass.training.loading import failures_named, read_batches
from rdpass.training.losses import IGNORED, Criteria, check_classes, check_logits
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
def check_measurable(model: nn.Module, request: Request) -> None:
    """Measure the first batch of the validation data, so that what can't be measured is refused before the training.

    An iterator is left alone, which would not give the batch again.

    Raises:
        ConfigError: the targets don't go with the model's outputs or the loss.
        DivergedError: the loader is empty, fails, or its batch can't be used.
    """
    if request.validate is None or isinstance(request.validate, Iterator):
        return
    with kept_generators(), Stream(request.config.seed, 0, 2), failures_named("validation", 0):
        first = list(islice(request.validate, 1))

    def score(outputs: Any, batch: Batch) -> tuple[float, float]:
        return float(request.criteria.loss_of(outputs, batch)), 1.0

    with kept_generators():
        _mean(model, first, score, request.config.device, World(), labelled=request.loss is None)


@torch.no_grad()
def accuracy(
    model: Callable[..., Tensor], loader: Iterable[Any], device: str = "cpu", world: World | None = None
) -> float:
    """Per cent of a loader's labels that are the largest logit's index; a module is put into eval mode for it.

    Of probabilities the likeliest class is the label; what cross-entropy ignores does not count.

    Raises:
        ConfigError: the targets are no classes of the model's logits.
        DivergedError: the loader is empty or has no labels.
    """

    def score(outputs: Any, batch: Batch) -> tuple[float, float]:
        logits = check_logits(outputs)
        targets = check_classes(logits, batch.targets)
        labels = targets.argmax(1) if targets.is_floating_point() else targets
        counted = labels != IGNORED
        return float(((logits.argmax(1) == labels) & counted).sum()), float(counted.sum())

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
    for index, raw in enumerate(read_batches(loader, "validation")):
        batch = unpacking.batch(raw, index)
        if labelled and batch.targets is None:
            raise DivergedError(f"validation batch {index} has no labels to compare with")
        if index % world.size == world.rank:
            batch = placed(batch, device, torch.contiguous_format)
            with step_named([batch], index, unpacking.example, "validation batch"):
                sums += torch.tensor(score(model(*batch.inputs), batch), dtype=torch.float64)
    sums = world.total(sums.to(device)).cpu()
    if not sums[1]:
        raise DivergedError("the validation loader gave no batch, or no label that counts")
    return float(sums[0] / sums[1])
