"""Samples for an ONNX model out of a user's loader or array: whole batches of the model's size, labels if there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from rdpass.core.comparison import Array
from rdpass.core.errors import ConfigError
from rdpass.core.tensor_spec import TensorSpec
from rdpass.training.batches import Unpacking
from rdpass.training.generators import Stream
from rdpass.training.loading import read_batches

HELD_OUT = 4
"""Of the images for calibration, one in so many is held out where there are none to validate with."""


@dataclass(frozen=True)
class Samples:
    """``feeds``: for each batch its inputs; ``labels``: a class for each row of all batches, or None."""

    feeds: tuple[tuple[Array, ...], ...]
    labels: Array | None = None

    @property
    def rows(self) -> int:
        return sum(len(feed[0]) for feed in self.feeds)

    def first(self, rows: int) -> Samples:
        """The first batches with together ``rows`` rows, or as many as there are."""
        count = max(1, rows // len(self.feeds[0][0]))
        kept = replace(self, feeds=self.feeds[:count])
        return replace(kept, labels=None if self.labels is None else self.labels[: kept.rows])


def read_samples(given: Any, inputs: Sequence[TensorSpec], limit: int, what: str, seed: int = 0) -> Samples:
    """Up to ``limit`` rows of ``given``, in whole batches of the size that the model's first axis has.

    Args:
        given: an array or tensor (rows, …), or a loader of batches in any form that training takes.
        inputs: the model's, of static shapes.
        limit: rows to read; the loader is not read further.
        what: its name in errors.
        seed: of what the loader draws.

    Raises:
        ConfigError: the rows don't fit the model, or there are fewer than one batch.
        DivergedError: the loader fails, or its batches hold something else.
    """
    if not inputs:
        raise ConfigError(f"the model takes no inputs, so there is nothing that {what} data could be for")
    size = inputs[0].shape[0] if inputs[0].shape else 1
    rows, labels = [], []
    with Stream(seed, 0, 0):
        for inputs_of_row, label in _rows(as_loader(given), inputs, what):
            rows.append(inputs_of_row)
            labels.append(label)
            if len(rows) >= limit and len(rows) % size == 0:
                break
    count = len(rows) // size
    if not count:
        raise ConfigError(f"the {what} data hold {len(rows)} rows, and the model takes {size} at once")
    feeds = tuple(tuple(map(np.stack, zip(*rows[i * size : (i + 1) * size], strict=True))) for i in range(count))
    known = labels[: count * size]
    return Samples(feeds, None if any(label is None for label in known) else np.array(known, np.int64))


def hold_out(samples: Samples) -> tuple[Samples, Samples]:
    """The samples in two: those to calibrate with, and every fourth batch, to validate with.

    Raises:
        ConfigError: there is one batch alone.
    """
    if len(samples.feeds) < 2:
        raise ConfigError("one batch can't both calibrate and validate; give more data, or data to validate with")
    step = min(HELD_OUT, len(samples.feeds))
    held = [index % step == step - 1 for index in range(len(samples.feeds))]
    return _part(samples, [not out for out in held]), _part(samples, held)


def _part(samples: Samples, chosen: Sequence[bool]) -> Samples:
    feeds = tuple(feed for feed, kept in zip(samples.feeds, chosen, strict=True) if kept)
    mask = np.repeat(chosen, len(samples.feeds[0][0]))
    return Samples(feeds, None if samples.labels is None else samples.labels[mask])


def as_loader(given: Any) -> Iterable[Any]:
    """An array is one batch."""
    return [given] if isinstance(given, np.ndarray | Tensor) else given


def with_tensors(raw: Any) -> Any:
    """A batch with torch's tensors in the place of numpy's arrays."""
    return tree_map(lambda x: torch.from_numpy(x) if isinstance(x, np.ndarray) else x, raw)


def _rows(
    loader: Iterable[Any], inputs: Sequence[TensorSpec], what: str
) -> Iterator[tuple[tuple[Array, ...], int | None]]:
    unpacking = Unpacking(tuple(spec.name for spec in inputs), len(inputs))
    for index, raw in enumerate(read_batches(loader, what)):
        batch = unpacking.batch(with_tensors(raw), index)
        arrays = [fitting(x, spec, f"batch {index} of the {what} data") for x, spec in
                  zip(batch.inputs, inputs, strict=True)]  # fmt: skip
        labels = _labels(batch.targets, len(arrays[0]))
        for row in range(len(arrays[0])):
            yield tuple(x[row] for x in arrays), None if labels is None else int(labels[row])


def fitting(x: Tensor, spec: TensorSpec, where: str) -> Array:
    """Rows of a loader as what a model's input takes, in the input's type.

    Raises:
        ConfigError: the rows have another shape, or are of another kind of numbers.
    """
    array = x.detach().cpu().numpy()
    if array.shape[1:] != spec.shape[1:]:
        raise ConfigError(
            f"{where}: rows of {spec.name!r} are {'x'.join(map(str, array.shape[1:]))}, and the model takes"
            f" {'x'.join(map(str, spec.shape[1:]))}"
        )
    if array.dtype.kind != np.dtype(spec.dtype).kind:
        raise ConfigError(f"{where}: {spec.name!r} is of type {array.dtype}, and the model takes {spec.dtype}")
    return array.astype(spec.dtype)


def _labels(targets: Any, rows: int) -> Array | None:
    """Class indices, one a row; None for targets of any other kind."""
    if isinstance(targets, Tensor) and targets.shape == (rows,) and not targets.is_floating_point():
        labels: Array = targets.cpu().numpy()
        return labels
    return None
