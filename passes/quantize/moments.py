"""Second moments of what layers read, over some images: which errors of weights a layer's outputs see.

For a layer y = W x, x one window of its input, an error E of W costs E M Eᵀ with M = mean(x xᵀ).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from rdpass.core.comparison import Array
from rdpass.core.numeric_types import FLOAT32
from rdpass.onnx.oracle import Session
from rdpass.onnx.window_sums import windows_of
from rdpass.passes.quantize.histograms import with_outputs
from rdpass.passes.quantize.layers import weighted_layers

AT_ONCE = 2048
"""Windows that are multiplied together."""
WINDOWS = 64
"""Windows of an image that are looked at, at most."""
LARGEST = 4608
"""Products in a sum beyond which a layer is left out: its moments would take too much memory."""


@dataclass(frozen=True)
class Moments:
    """For each group: ``square``, mean(x xᵀ) of shape (groups, K, K), and ``mean``, mean(x), (groups, K)."""

    square: Array
    mean: Array


def take_moments(
    model: onnx.ModelProto, feeds: Sequence[Sequence[Array]], step: Callable[[int], None]
) -> dict[str, Moments]:
    """The moments of every Conv and Gemm with constant weights, by the node's name. ``step``: rows of each batch."""
    weights = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    layers = [node for node in weighted_layers(model) if node.op_type in ("Conv", "Gemm")]
    layers = [node for node in layers if _length(weights[node.input[1]], node) <= LARGEST]
    session = Session(with_outputs(model, [node.input[0] for node in layers]))
    sums = {node.name: _Sums() for node in layers}
    random = np.random.default_rng(0)
    for feed in feeds:
        values = session.named(feed)
        for node in layers:
            sums[node.name].add(_rows(values[node.input[0]], weights[node.input[1]], node, random))
        step(len(feed[0]))
    return {name: found.moments() for name, found in sums.items()}


class _Sums:
    """Sums over rows, taken many rows at a time."""

    def __init__(self) -> None:
        self.waiting: list[Array] = []
        self.square: Any = 0.0
        self.mean: Any = 0.0
        self.count = 0

    def add(self, rows: Array) -> None:
        self.waiting.append(rows)
        if sum(each.shape[1] for each in self.waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        if self.waiting:
            x = np.concatenate(self.waiting, axis=1)
            self.square = self.square + (x.transpose(0, 2, 1) @ x).astype(np.float64)
            self.mean, self.count = self.mean + x.sum(1, dtype=np.float64), self.count + x.shape[1]
            self.waiting = []

    def moments(self) -> Moments:
        self.flush()
        return Moments(self.square / self.count, self.mean / self.count)


def _length(shape: tuple[int, ...], node: onnx.NodeProto) -> int:
    return int(np.prod(shape[1:])) if node.op_type == "Conv" else max(shape)


def _rows(x: Array, shape: tuple[int, ...], node: onnx.NodeProto, random: np.random.Generator) -> Array:
    """Windows (groups, rows, K) of a layer's input, drawn at random where there are many."""
    if node.op_type == "Gemm":
        return x[None]
    attributes: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    groups, kernel = int(attributes.get("group", 1)), shape[2:]
    windows = windows_of(x, kernel, attributes)
    rank, count = len(kernel), len(x)
    places = int(np.prod(windows.shape[2 : 2 + rank]))
    drawn = np.sort(random.permutation(count * places)[: WINDOWS * count])
    chosen = np.moveaxis(windows, 1, 1 + rank)[np.unravel_index(drawn, (count, *windows.shape[2 : 2 + rank]))]
    return chosen.reshape(len(drawn), groups, -1).transpose(1, 0, 2).astype(FLOAT32)
