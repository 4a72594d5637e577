"""Fidelity of a quantised network: how much of its outputs is noise, and how often its classes are the float ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from rdpass.core.comparison import Array, sqnr
from rdpass.onnx.oracle import Session

Feeds = Sequence[Sequence[Array]]
MOST = 200.0
"""What stands for an infinite SQNR, so that means and JSON can hold it."""


@dataclass(frozen=True)
class Fidelity:
    """``sqnr``: dB, the mean over ``outputs``; ``agreement``: per cent of rows with the float network's top class."""

    sqnr: float
    outputs: tuple[float, ...]
    agreement: float | None


def outputs_of(model: onnx.ModelProto, feeds: Feeds, step: Callable[[int], None] = lambda rows: None) -> list[Array]:
    """Each output for all batches, (batches, …); ``step`` is called with the rows of each batch."""
    session = Session(model)
    found = []
    for feed in feeds:
        found.append(session.run(feed))
        step(len(feed[0]))
    return [np.stack(values) for values in zip(*found, strict=True)]


def fidelity(actual: Sequence[Array], expected: Sequence[Array]) -> Fidelity:
    """Compare outputs, as ``outputs_of`` gives them, with the float network's."""
    each = tuple(float(np.clip(sqnr(a, e), -MOST, MOST)) for a, e in zip(actual, expected, strict=True))
    agreement = None
    if are_logits(expected[0]):
        agreement = 100 * float((actual[0].argmax(-1) == expected[0].argmax(-1)).mean())
    return Fidelity(float(np.mean(each)), each, agreement)


def accuracy(outputs: Sequence[Array], labels: Array | None) -> float | None:
    """Per cent of rows whose largest logit is the label; None without labels or logits."""
    if labels is None or not are_logits(outputs[0]):
        return None
    return 100 * float((outputs[0].argmax(-1).ravel() == labels).mean())


def are_logits(output: Array) -> bool:
    """Tell whether an output of all batches (batches, rows, classes) has a number for each of several classes."""
    return output.ndim == 3 and output.shape[-1] > 1 and output.dtype.kind == "f"
