"""Histograms of every float tensor of a network over some images: what ranges are chosen from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.oracle import Session

BINS = 2048
Feeds = Sequence[Sequence[Array]]
Step = Callable[[int], None]


@dataclass(frozen=True)
class Histogram:
    """How often numbers of a tensor were met: ``counts`` in equal bins from ``low`` to ``high``, the extremes."""

    low: float
    high: float
    counts: Array

    @property
    def centres(self) -> Array:
        """The middle of each bin."""
        width = (self.high - self.low) / len(self.counts)
        return self.low + width * (np.arange(len(self.counts)) + 0.5)


def take_histograms(model: onnx.ModelProto, feeds: Feeds, step: Step) -> dict[str, Histogram]:
    """Run ``model`` twice over ``feeds``, first for the extremes of each tensor, then to count.

    ``step`` is called with the rows of every batch, in both runs.
    """
    names = _float_tensors(model)
    session = Session(with_outputs(model, names))
    extremes = _extremes(session, names, feeds, step)
    counts = {name: np.zeros(BINS, np.int64) for name in names}
    for feed in feeds:
        for name, value in _values(session, feed, names):
            counts[name] += _counted(value, *extremes[name])
        step(len(feed[0]))
    return {name: Histogram(*extremes[name], counts[name]) for name in names}


def take_extremes(model: onnx.ModelProto, feeds: Feeds) -> dict[str, tuple[float, float]]:
    """The least and the largest number of each tensor, as its histogram would have them: one run of ``model``."""
    names = _float_tensors(model)
    return _extremes(Session(with_outputs(model, names)), names, feeds, lambda rows: None)


def _extremes(session: Session, names: Sequence[str], feeds: Feeds, step: Step) -> dict[str, tuple[float, float]]:
    extremes: dict[str, tuple[float, float]] = {}
    for feed in feeds:
        for name, value in _values(session, feed, names):
            low, high = extremes.get(name, (np.inf, -np.inf))
            extremes[name] = min(low, float(value.min())), max(high, float(value.max()))
        step(len(feed[0]))
    return {name: _wide(found) for name, found in extremes.items()}


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of ``model`` that gives the named values too, after its own outputs."""
    known = {value.name: value for value in model.graph.value_info}
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    own = {output.name for output in copy.graph.output}
    copy.graph.output.extend(known[name] for name in names if name in known and name not in own)
    return copy


def _float_tensors(model: onnx.ModelProto) -> list[str]:
    weights = {tensor.name for tensor in model.graph.initializer}
    values = (*model.graph.input, *model.graph.value_info, *model.graph.output)
    floats = [v.name for v in values if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    return [name for name in dict.fromkeys(floats) if name not in weights]


def _values(session: Session, feed: Sequence[Array], names: Sequence[str]) -> list[tuple[str, Array]]:
    found: Mapping[str, Array] = session.named(feed)
    return [(name, found[name]) for name in names if found[name].size]


def _counted(value: Array, low: float, high: float) -> Array:
    bins = ((value.ravel() - np.asarray(low, FLOAT32)) * np.asarray(BINS / (high - low), FLOAT32)).astype(np.int32)
    return np.bincount(np.clip(bins, 0, BINS - 1), minlength=BINS)


def _wide(extremes: tuple[float, float]) -> tuple[float, float]:
    """The extremes, apart from each other where a tensor holds one number alone."""
    low, high = extremes
    return (low, high) if high > low else (low, low + max(abs(low), 1e-6) * 1e-3)
