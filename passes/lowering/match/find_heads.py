"""Heads: means over all pixels, and dense layers.

1. The mean, and the dense layer that alone reads it.
2. A mean alone.
3. A dense layer of a map that is flattened for it alone: it reads the map as it lies.
4. A dense layer of a vector that something else computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from rdpass.core.comparison import Array
from rdpass.kernels.workload import Head
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, shape_of, types_of, weights_of
from rdpass.passes.lowering.match.placement import Placement


def find_heads(flow: Dataflow) -> Iterator[Placement]:
    taken: set[Any] = set()
    for variable, value in flow.bindings:
        placement = _from_mean(flow, variable, value) or (None if variable in taken else _dense_alone(flow, variable))
        if placement is not None:
            taken.update(placement.inside, (placement.root,))
            yield placement


def _from_mean(flow: Dataflow, variable: Any, value: Any) -> Placement | None:
    """Cases 1 and 2."""
    shape = shape_of(value.args[0]) if operator_of(value) in _MEANS else None
    if shape is None or len(shape) != 4 or not is_mean_over_pixels(value):
        return None
    whole = _with_dense(flow, variable, value.args[0], shape)
    alone = len(shape_of(variable) or ()) == 4  # a mean that drops its pixels' axes is no map
    return whole or (_mean_alone(variable, value.args[0], shape) if alone else None)


_MEANS = {"relax.mean", "relax.nn.adaptive_avg_pool2d"}


def is_mean_over_pixels(call: Any) -> bool:
    """Tell whether an operator gives the mean of all pixels of a map (N, C, H, W)."""
    if operator_of(call) not in _MEANS or len(shape_of(call.args[0]) or ()) != 4:
        return False
    if operator_of(call) == "relax.nn.adaptive_avg_pool2d":
        size = call.attrs.output_size
        return size is not None and [int(number) for number in size] == [1, 1] and call.attrs.layout == "NCHW"
    axes = {int(axis) % 4 for axis in call.attrs.axis or ()}
    return axes == {2, 3}


def _mean_alone(root: Any, source: Any, shape: tuple[int, ...]) -> Placement:
    work = Head(shape[0], shape[1], shape[2] * shape[3], 0, types=types_of(root))
    return Placement(root, source, work, (None,))


def _with_dense(flow: Dataflow, mean: Any, source: Any, shape: tuple[int, ...]) -> Placement | None:
    """The mean, its reshaping to (N, C) unless it is that, and a dense layer."""
    is_flat = shape_of(mean) == shape[:2]
    flat = mean if is_flat else flow.only_reader(mean)
    if flat is None or shape_of(flat) != shape[:2]:
        return None
    if not is_flat and operator_of(flow.value(flat)) not in _FLATTENING:
        return None
    product = flow.only_reader(flat)
    dense = None if product is None else _Dense.of(flow, product, flat)
    if dense is None:
        return None
    work = Head(shape[0], shape[1], shape[2] * shape[3], dense.classes, types=types_of(source))
    inside = (mean, *([] if is_flat else [flat]), *dense.inside)
    return Placement(dense.root, source, work, (dense.numbers,), inside, writes="planar")


def _dense_alone(flow: Dataflow, product: Any) -> Placement | None:
    """Cases 3 and 4."""
    call: Any = flow.value(product)
    vector = call.args[0] if operator_of(call) == "relax.matmul" else None
    shape = None if vector is None else shape_of(vector)
    dense = None if shape is None or len(shape) != 2 else _Dense.of(flow, product, vector)
    if dense is None or shape is None:
        return None
    flattened: Any = flow.value(vector)
    source = flattened.args[0] if operator_of(flattened) in _FLATTENING else None
    map_shape = None if source is None else shape_of(source)
    is_flat = map_shape is not None and len(map_shape) == 4 and shape == (map_shape[0], prod(map_shape[1:]))
    if source is not None and map_shape is not None and is_flat and flow.only_reader(vector) is not None:
        batch, channels, height, width = map_shape
        work = Head(batch, channels, height * width, dense.classes, averages=False, types=types_of(source))
        return Placement(dense.root, source, work, (dense.numbers,), (vector, *dense.inside), writes="planar")
    if shape[1] % _MOST_LANES:
        return None
    work = Head(shape[0], shape[1], 1, dense.classes, types=types_of(vector))
    return Placement(dense.root, vector, work, (dense.numbers,), dense.inside, reads="vector", writes="planar")


@dataclass(frozen=True)
class _Dense:
    """A product with constant weights (channels, classes), and the bias added to it, if any."""

    root: Any
    inside: tuple[Any, ...]
    weights: Array
    bias: Array

    @property
    def classes(self) -> int:
        return int(self.weights.shape[1])

    @staticmethod
    def of(flow: Dataflow, product: Any, vector: Any) -> _Dense | None:
        weights = _dense_weights(flow.value(product), vector)
        if weights is None:
            return None
        last = flow.only_reader(product)
        added = None if last is None else _added(flow.value(last), product, weights.shape[1])
        if added is not None:
            return _Dense(last, (product,), weights, added)
        return _Dense(product, (), weights, np.zeros(weights.shape[1], weights.dtype))

    @property
    def numbers(self) -> tuple[Array, Array]:
        """Weights (classes, channels) and bias."""
        return np.ascontiguousarray(self.weights.T), self.bias


_MOST_LANES = 16
_FLATTENING = {"relax.reshape", "relax.flatten", "relax.squeeze"}


def _dense_weights(call: Any, flat: Any) -> Any | None:
    if operator_of(call) != "relax.matmul" or not call.args[0].same_as(flat):
        return None
    weights = weights_of(call.args[1])
    return weights if weights is not None and weights.ndim == 2 else None


def _added(call: Any, product: Any, classes: int) -> Any | None:
    """The constant of (classes) or (1, classes) that is added to a product."""
    if operator_of(call) != "relax.add":
        return None
    others = [argument for argument in call.args if not argument.same_as(product)]
    array = array_of(others[0]) if len(others) == 1 else None
    fits = array is not None and array.size == classes == array.shape[-1]
    return array.reshape(classes) if array is not None and fits else None
