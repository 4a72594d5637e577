"""Figures of one network over many batches: classes that are right, or what a metric of the user's measures.

A figure can be estimated, and the same figure of another network on the same images taken from it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from rdpass.capture.torchvision_import import beside_torchvision
from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, RdpassError, first_line
from rdpass.core.estimates import Estimate, jackknifed, mean_of
from rdpass.core.named_code import find_named, users_line
from rdpass.training.batches import rows_of
from rdpass.training.losses import IGNORED, check_classes, check_logits
from rdpass.training.objective import Batch

GROUPS = 10
"""Parts of the batches that a metric with a state of its own is computed without, one after the other."""
TOP = 5
_MANY = 2 * TOP
"""Classes from which on the five likeliest are worth a figure."""
REMEDY = "say how to measure it: --metric pkg.mod:fn, or metric=fn in Python"


class Figure(Protocol):
    """A number that belongs to a set of images."""

    def estimate(self) -> Estimate: ...

    def difference(self, other: Any) -> Estimate:
        """This one less ``other``, which is of the same kind and of the same images."""
        ...


@dataclass(frozen=True)
class Mean:
    """Of scores (rows), with weights (rows)."""

    scores: Array
    weights: Array

    def estimate(self) -> Estimate:
        return mean_of(self.scores, self.weights)

    def difference(self, other: Mean) -> Estimate:
        return mean_of(self.scores - other.scores, (self.weights + other.weights) / 2)


@dataclass(frozen=True)
class Jackknife:
    """Of a figure that is no mean: ``whole``, and without each of some parts of the images."""

    whole: float
    parts: tuple[float, ...]

    def estimate(self) -> Estimate:
        return jackknifed(self.whole, self.parts)

    def difference(self, other: Jackknife) -> Estimate:
        parts = [mine - theirs for mine, theirs in zip(self.parts, other.parts, strict=True)]
        return jackknifed(self.whole - other.whole, parts)


class Measure(Protocol):
    """Gathers what one network gives for batch after batch."""

    def add(self, outputs: Any, batch: Batch) -> None: ...

    def figures(self) -> Mapping[str, Figure]: ...


class RowMeasure:
    """Means of numbers that a function gives for each row, or for a whole batch; NaN does not count."""

    def __init__(self, function: Callable[[Any, Batch], Mapping[str, tuple[Array, Array]]]) -> None:
        self._function = function
        self._found: dict[str, list[tuple[Array, Array]]] = {}

    def add(self, outputs: Any, batch: Batch) -> None:
        for name, found in self._function(outputs, batch).items():
            self._found.setdefault(name, []).append(found)

    def figures(self) -> Mapping[str, Figure]:
        figures = {}
        for name, found in self._found.items():
            scores, weights = (np.concatenate(parts).astype(np.float64) for parts in zip(*found, strict=True))
            if weights.sum() > 0:
                figures[name] = Mean(scores, weights)
        return figures


class StateMeasure:
    """A metric with ``update(outputs, targets)`` and ``compute()``, as torchmetrics' are."""

    def __init__(self, metric: Any) -> None:
        self._whole = deepcopy(metric)
        self._without = [deepcopy(metric) for _ in range(GROUPS)]
        self._batches = 0

    def add(self, outputs: Any, batch: Batch) -> None:
        group = self._batches % GROUPS
        with _failures_told():
            for metric in (self._whole, *(m for index, m in enumerate(self._without) if index != group)):
                metric.update(outputs, batch.targets)
        self._batches += 1

    def figures(self) -> Mapping[str, Figure]:
        parts = self._without[: self._batches] if self._batches > 1 else []
        with _failures_told():
            whole, others = _numbers(self._whole.compute()), [_numbers(metric.compute()) for metric in parts]
        return {name: Jackknife(value, tuple(other[name] for other in others)) for name, value in whole.items()}


class _failures_told:
    """What a metric raises as one line with its place."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, RdpassError):
            said = f"{type(error).__name__}: {first_line(error)}; {users_line(error)}"
            raise ConfigError(f"the metric raised {said.rstrip('; ')}") from error


def measures_of(metric: Any) -> Callable[[], Measure]:
    """What makes a measure for each network: of classes where ``metric`` is None, else of the user's.

    Args:
        metric: ``pkg.mod:name`` or what stands there: a function of (outputs, targets) that gives a number for each
            row, or one for the batch, or a dict of such; an object with ``update(outputs, targets)`` and ``compute()``,
            or a class or a function without arguments that makes one.

    Raises:
        ConfigError: it is nothing of that kind.
    """
    if metric is None:
        return lambda: RowMeasure(class_scores)
    found: Any = metric
    if isinstance(metric, str):
        found = beside_torchvision(lambda: find_named(metric, "the metric"))
    if isinstance(found, type) or (callable(found) and not _has_state(found) and not _takes_two(found)):
        with _failures_told():
            found = found()
    if _has_state(found):
        return lambda: StateMeasure(found)
    if callable(found) and _takes_two(found):
        return lambda: RowMeasure(lambda outputs, batch: _users_scores(found, outputs, batch))
    raise ConfigError(
        f"the metric is a {type(found).__name__}: it is to be a function of (outputs, targets), or to have"
        " update(outputs, targets) and compute(), as torchmetrics' have"
    )


def class_scores(outputs: Any, batch: Batch) -> dict[str, tuple[Array, Array]]:
    """Per cent of the labels of each row that are the likeliest class (``top-1``), or among the five likeliest
    (``top-5``, of ten classes or more), weighted by the labels that count.

    Raises:
        ConfigError: the outputs are not logits, or the targets no classes of them.
    """
    if batch.targets is None:
        return {}
    logits = check_logits(outputs, REMEDY)
    targets = check_classes(logits, batch.targets, REMEDY)
    labels = targets.argmax(1) if targets.is_floating_point() else targets
    counted = (labels != IGNORED).reshape(len(labels), -1)
    weights = counted.sum(1).numpy()
    tops = [1, TOP] if logits.shape[1] >= _MANY else [1]
    likeliest = logits.topk(tops[-1], 1).indices
    found = {}
    for top in tops:
        right = (likeliest[:, :top] == labels.unsqueeze(1)).any(1).reshape(len(labels), -1)
        shares = (right & counted).sum(1).numpy() / np.maximum(weights, 1)
        found[f"top-{top}"] = 100.0 * shares, weights
    return found


def _users_scores(function: Any, outputs: Any, batch: Batch) -> dict[str, tuple[Array, Array]]:
    with _failures_told():
        given = function(outputs, batch.targets)
    named = given if isinstance(given, Mapping) else {getattr(function, "__name__", "metric"): given}
    return {str(name): _scores(value, rows_of(batch)) for name, value in named.items()}


def _scores(value: Any, rows: int) -> tuple[Array, Array]:
    """Scores and weights: a number a row, or one that stands for all rows."""
    try:
        scores = torch.as_tensor(value).detach().cpu().double().numpy()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"the metric gave a {type(value).__name__}, and is to give numbers") from error
    if scores.shape == (rows,):
        weights = np.isfinite(scores).astype(np.float64)
    elif scores.size == 1:
        scores = scores.reshape(1)
        weights = rows * np.isfinite(scores).astype(np.float64)
    else:
        raise ConfigError(
            f"the metric gave numbers of shape {scores.shape}, and is to give one for each of {rows} rows, or one"
        )
    return np.where(weights > 0, scores, 0.0), weights


def _numbers(value: Any) -> dict[str, float]:
    """The single numbers in what a metric computes."""
    named = value if isinstance(value, Mapping) else {"metric": value}
    return {str(name): float(number) for name, number in named.items() if np.size(np.asarray(number)) == 1}


def _has_state(found: Any) -> bool:
    return callable(getattr(found, "update", None)) and callable(getattr(found, "compute", None))


def _takes_two(function: Any) -> bool:
    try:
        inspect.signature(function).bind(None, None)
    except TypeError:
        return False
    except ValueError:  # of compiled code, which may have none
        pass
    return True
