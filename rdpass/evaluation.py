"""``evaluate``: how good networks are on a user's images, each beside the first one on the same images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError, DivergedError
from rdpass.core.estimates import Estimate
from rdpass.core.image_settings import check_class_count
from rdpass.core.progress import progress
from rdpass.core.tensors import tensors_in
from rdpass.passes.quantize.fidelity import MOST
from rdpass.scoring.figures import Figure, Mean, Measure, measures_of
from rdpass.scoring.networks import Network, Source, first_rows, opened
from rdpass.sources.samples import as_loader, with_tensors
from rdpass.training.batches import rows_of
from rdpass.training.generators import Stream
from rdpass.training.loading import read_batches
from rdpass.training.losses import sole_tensor
from rdpass.training.objective import Batch

EMULATED_IMAGES = 100
"""Images by default where a bundle is emulated, which takes seconds for each."""


@dataclass(frozen=True)
class Evaluated:
    """One network's figures.

    Args:
        name: as it was given.
        by: what computed it: torch, ONNX Runtime, or a bundle for a target, emulated or not.
        figures: ``top-1`` and ``top-5`` in per cent where there are labels, or what the metric gave.
        differences: of each figure from the first network's, paired image by image; empty for the first.
        agreement: per cent of images with the first network's top class; None where there are no logits.
        sqnr: dB, of the first network's outputs to the differences from them, 200 where they are equal; None for the
            first, and where the outputs are of another shape or probabilities beside scores.

    Example:
        >>> import rdpass
        >>> found = rdpass.evaluate([model, model], loader, show_progress=False).networks[1]
        >>> found.name, found.by, found.differences["top-1"].value, found.agreement.value, found.sqnr
        ('Sequential 1', 'torch', 0.0, 100.0, 200.0)
    """

    name: str
    by: str
    figures: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]
    agreement: Estimate | None = None
    sqnr: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """Networks on the same images: what ``evaluate`` returns.

    Args:
        images: how many.
        networks: in the order in which they were given.

    Example:
        >>> import rdpass
        >>> found = rdpass.evaluate({"net": model, "file": "student.onnx"}, loader, show_progress=False)
        >>> found.images, [network.by for network in found.networks]
        (32, ['torch', 'ONNX Runtime'])
    """

    images: int
    networks: tuple[Evaluated, ...]


def evaluate(
    networks: Source | Sequence[Source] | Mapping[str, Source],
    data: Iterable[Any] | Array | Tensor,
    *,
    metric: str | Callable[..., Any] | Any | None = None,
    images: int | None = None,
    show_progress: bool = True,
) -> Evaluation:
    """Measure networks on the same images: accuracy, or a metric of yours, with standard errors and paired differences.

    Args:
        networks: one, several, or several by name: modules, conversions, ``.onnx`` files, run folders (the student) and
            bundles (built for this CPU, or emulated). The first is what the others are compared with.
        data: batches in any form that training takes, labels if there are; or an array (rows, …) of images alone.
        metric: ``pkg.mod:name`` or what stands there: a function of (outputs, targets) that gives a number for each
            row, one for the batch, or a dict of such; or an object with ``update(outputs, targets)`` and ``compute()``,
            as torchmetrics' are. None: classes that are right, where there are labels.
        images: rows to look at; by default all, and 100 where a bundle is emulated.
        show_progress: show on stderr what is under way.

    Returns:
        The figures of each network, and how it differs from the first.

    Raises:
        ConfigError: a network or the metric can't be used, or the data don't fit.
        IntegrityError: a bundle or a run folder is damaged, or this CPU can't run it.
        TargetError: a bundle is for another CPU, and there is no emulator for it.
        DivergedError: the data are empty, fail, or hold something else.
        DeviceError: a bundle's runner failed.

    Example:
        >>> import rdpass
        >>> found = rdpass.evaluate([model, "student.rdp"], loader, images=8, show_progress=False)
        >>> sorted(found.networks[1].differences), found.networks[1].sqnr > 60
        (['top-1'], True)
    """
    if images is not None and images < 1:
        raise ConfigError("images is at least 1")
    new_measure = measures_of(metric)
    with ExitStack() as stack:
        ready = [stack.enter_context(opened(name, source)) for name, source in _named(networks).items()]
        limit = EMULATED_IMAGES if images is None and any(network.is_slow for network in ready) else images
        first_ends = ready[0].postprocess
        tallies = [_Tally(network, new_measure(), network.postprocess == first_ends) for network in ready]
        rows = _run(tallies, data, limit, show_progress, metric is None)
    first = tallies[0].measure.figures()
    return Evaluation(rows, tuple(tally.result(first if index else None) for index, tally in enumerate(tallies)))


def _named(networks: Source | Sequence[Source] | Mapping[str, Source]) -> dict[str, Any]:
    """Networks by name, which is a path's text, or a module's class with its place where there are several."""
    if isinstance(networks, Mapping):
        named: dict[str, Any] = dict(networks)
    else:
        listed = list(networks) if isinstance(networks, list | tuple) else [networks]
        names = [str(given) if isinstance(given, str | Path) else type(given).__name__ for given in listed]
        unique = [name if names.count(name) == 1 else f"{name} {index}" for index, name in enumerate(names)]
        named = dict(zip(unique, listed, strict=True))
    if not named:
        raise ConfigError("there is no network to evaluate")
    return named


class _Tally:
    """One network, its measure, and what is told of it beside the first one."""

    def __init__(self, network: Network, measure: Measure, comparable: bool) -> None:
        """``comparable``: its outputs are what the first one's are, not probabilities beside scores."""
        self.network, self.measure = network, measure
        self._same: list[Array] = []
        self._signal: list[float] = []
        self._noise: list[float] = []
        self._comparable = comparable

    def add(self, batch: Batch, index: int, reference: Any) -> Any:
        """Run one batch; ``reference`` is what the first network gave for it, None for the first itself."""
        outputs = self.network.call(batch, index)
        self.measure.add(outputs, batch)
        if reference is not None:
            self._compare(outputs, reference)
        return outputs

    def _compare(self, outputs: Any, reference: Any) -> None:
        mine, theirs = sole_tensor(outputs), sole_tensor(reference)
        if mine is not None and theirs is not None and mine.shape == theirs.shape and mine.ndim > 1 < mine.shape[1]:
            same = (mine.argmax(1) == theirs.argmax(1)).double().reshape(len(mine), -1).mean(1)
            self._same.append(100 * same.numpy())
        pairs = list(zip(tensors_in(outputs), tensors_in(reference), strict=False))
        if len(tensors_in(outputs)) != len(tensors_in(reference)) or any(a.shape != b.shape for a, b in pairs):
            self._comparable = False
            return
        noise = [float((a.double() - b.double()).square().sum()) for a, b in pairs]
        signal = [float(b.double().square().sum()) for _, b in pairs]
        self._noise = [x + y for x, y in zip(noise, self._noise or [0.0] * len(noise), strict=True)]
        self._signal = [x + y for x, y in zip(signal, self._signal or [0.0] * len(signal), strict=True)]

    def result(self, first: Mapping[str, Figure] | None) -> Evaluated:
        figures = self.measure.figures()
        differences = {} if first is None else {
            name: figure.difference(first[name]) for name, figure in figures.items() if name in first
        }  # fmt: skip
        same = np.concatenate(self._same) if self._same else None
        return Evaluated(
            self.network.name,
            self.network.by,
            {name: figure.estimate() for name, figure in figures.items()},
            differences,
            None if same is None else Mean(same, np.ones(len(same))).estimate(),
            self._sqnr() if first is not None and self._comparable else None,
        )

    def _sqnr(self) -> float:
        """The mean over the outputs, in dB."""
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 10 * (np.log10(self._signal) - np.log10(self._noise))
        return float(np.clip(np.nan_to_num(found, nan=MOST, posinf=MOST, neginf=-MOST), -MOST, MOST).mean())


def _run(tallies: Sequence[_Tally], data: Any, limit: int | None, show: bool, has_classes: bool) -> int:
    """Run all networks on each batch; returns the rows. ``has_classes``: what is measured is classes that are right."""
    raws = map(with_tensors, read_batches(as_loader(data), "evaluation", Stream(0, 0, 2)))
    first = next(raws, None)
    if first is None:
        raise DivergedError("the data are empty: there is no batch to evaluate on")
    rows = 0
    per_batch = rows_of(tallies[0].network.unpacking.batch(first, 0))
    total = min(filter(None, (limit, per_batch * len(data) if isinstance(data, Sized) else None)), default=0)
    with torch.inference_mode(), progress("evaluate", total * len(tallies), show) as shown:
        for index, raw in enumerate(chain([first], raws)):
            reference = None
            left = None if limit is None else limit - rows
            for place, tally in enumerate(tallies):
                batch = tally.network.unpacking.batch(raw, index)
                batch = batch if left is None else first_rows(batch, left)
                outputs = tally.add(batch, index, reference)
                if index == 0 and has_classes:
                    check_class_count(data, [tuple(x.shape) for x in tensors_in(outputs)], tally.network.name)
                reference = outputs if place == 0 else reference
                shown.step(rows * len(tallies) + (place + 1) * rows_of(batch), tally.network.name)
            rows += rows_of(batch)
            if limit is not None and rows >= limit:
                break
    return rows
