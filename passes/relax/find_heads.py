"""Heads: the mean over all pixels, and the dense layer that alone reads it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from rdpass.kernels.workload import Head
from rdpass.passes.relax.dataflow import Dataflow, array_of, operator_of, shape_of
from rdpass.passes.relax.placement import Placement


def find_heads(flow: Dataflow) -> Iterator[Placement]:
    for variable, value in flow.bindings:
        shape = shape_of(value.args[0]) if operator_of(value) in _MEANS else None
        if shape is not None and len(shape) == 4 and _is_mean_over_pixels(value):
            yield _with_dense(flow, variable, value.args[0], shape) or _mean_alone(variable, value.args[0], shape)


_MEANS = {"relax.mean", "relax.nn.adaptive_avg_pool2d"}


def _is_mean_over_pixels(call: Any) -> bool:
    if operator_of(call) == "relax.nn.adaptive_avg_pool2d":
        size = call.attrs.output_size
        return size is not None and [int(number) for number in size] == [1, 1] and call.attrs.layout == "NCHW"
    axes = {int(axis) % 4 for axis in call.attrs.axis or ()}
    return axes == {2, 3} and bool(call.attrs.keepdims)


def _mean_alone(root: Any, source: Any, shape: tuple[int, ...]) -> Placement:
    work = Head(shape[0], shape[1], shape[2] * shape[3], 0)
    return Placement(root, source, work, (None,))


def _with_dense(flow: Dataflow, mean: Any, source: Any, shape: tuple[int, ...]) -> Placement | None:
    """The mean, its reshaping to (N, C), the product with constant weights (C, classes), and the bias, if any."""
    flat = flow.only_reader(mean)
    if flat is None or operator_of(flow.value(flat)) not in _FLATTENING or shape_of(flat) != shape[:2]:
        return None
    product = flow.only_reader(flat)
    weights = None if product is None else _dense_weights(flow.value(product), flat)
    if weights is None or product is None:
        return None
    root, inside, bias = product, [mean, flat], np.zeros(weights.shape[1], np.float32)
    last = flow.only_reader(product)
    added = None if last is None else _added(flow.value(last), product, weights.shape[1])
    if added is not None:
        root, inside, bias = last, [*inside, product], added
    work = Head(shape[0], shape[1], shape[2] * shape[3], weights.shape[1])
    dense = np.ascontiguousarray(weights.T), bias
    return Placement(root, source, work, (dense,), tuple(inside), writes="planar")


_FLATTENING = {"relax.reshape", "relax.flatten", "relax.squeeze"}


def _dense_weights(call: Any, flat: Any) -> Any | None:
    if operator_of(call) != "relax.matmul" or not call.args[0].same_as(flat):
        return None
    weights = array_of(call.args[1])
    return weights if weights is not None and weights.ndim == 2 and weights.dtype == np.float32 else None


def _added(call: Any, product: Any, classes: int) -> Any | None:
    """The constant of (classes) or (1, classes) that is added to a product."""
    if operator_of(call) != "relax.add":
        return None
    others = [argument for argument in call.args if not argument.same_as(product)]
    array = array_of(others[0]) if len(others) == 1 else None
    fits = array is not None and array.size == classes == array.shape[-1]
    return array.reshape(classes) if array is not None and fits else None
