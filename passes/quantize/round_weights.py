"""Round weights by what a layer's outputs see of it: each error is made up for by the weights that are not rounded yet.

With M = mean(x xᵀ) of a layer's windows, rounding the weights one after the other and adding to those left what keeps
E M Eᵀ least gives integers on the same scales whose sums are nearer to the float layer's than those of rounding each
weight to the nearest step. (GPTQ, arXiv 2210.17323, after Optimal Brain Surgeon; computed as rounding to the nearest
plane, which gives the same integers.) What is left of the error on the mean goes into the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx.numpy_helper import to_array

from rdpass.core.comparison import Array
from rdpass.passes.quantize.moments import Moments
from rdpass.passes.quantize.qdq_graph import Integers, QdqGraph, integer_bias

BLOCK = 128
"""Weights of a filter that are rounded before the others are told."""
DAMPING = 0.01
"""Of the mean of M's diagonal, added to it: weights of inputs that are nearly always zero must not grow."""


@dataclass(frozen=True)
class Rounded:
    """A layer's integers on its ``scale``, shaped as its weights, and what the bias has to make up for, a filter."""

    integers: Array
    scale: Array
    shift: Array


def round_weights(
    quantised: onnx.ModelProto, model: onnx.ModelProto, moments: Mapping[str, Moments]
) -> dict[str, Rounded]:
    """Integers for each layer of ``quantised``, by name, given the float ``model`` and the moments of its layers."""
    graph = QdqGraph(quantised.graph)
    floats = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    originals = {node.name: floats.get(node.input[1]) for node in model.graph.node if len(node.input) > 1}
    found = {}
    for node in quantised.graph.node:
        stored = graph.integers(node.input[1]) if node.name in moments else None
        weights = originals.get(node.name)
        if stored is not None and weights is not None:
            found[node.name] = _round_layer(node, stored, weights, moments[node.name])
    return found


def with_rounded(quantised: onnx.ModelProto, rounded: Mapping[str, Rounded]) -> onnx.ModelProto:
    """A copy of ``quantised`` with such integers where its layers have the same scales."""
    copy = onnx.ModelProto()
    copy.CopyFrom(quantised)
    graph = QdqGraph(copy.graph)
    for node in copy.graph.node:
        stored = graph.integers(node.input[1]) if node.name in rounded else None
        if stored is None or not np.array_equal(stored.scale, rounded[node.name].scale):
            continue
        graph.store(stored.node.input[0], rounded[node.name].integers)
        if len(node.input) > 2 and (bias := graph.integers(node.input[2])) is not None:
            scale = bias.scale.astype(np.float64).reshape(-1)
            graph.store(bias.node.input[0], bias.values + integer_bias(rounded[node.name].shift, scale))
    return copy


def _round_layer(node: onnx.NodeProto, stored: Integers, weights: Array, moments: Moments) -> Rounded:
    transposed = node.op_type == "Gemm" and not any(a.name == "transB" and a.i for a in node.attribute)
    rows = weights.T if transposed else weights
    scale = np.broadcast_to(stored.scale.astype(np.float64).reshape(-1), (len(rows),))
    limits = limits_of(stored.values.T if transposed else stored.values)
    groups = len(moments.square)
    flat = rows.reshape(groups, len(rows) // groups, -1).astype(np.float64)
    steps, bounds = scale.reshape(groups, -1, 1), limits.reshape(flat.shape)
    parts = zip(flat, steps, bounds, moments.square, strict=True)
    integers = np.stack([_best(*part) for part in parts])
    shift = ((flat - integers * steps) @ moments.mean[..., None]).reshape(-1)
    whole = integers.reshape(rows.shape)
    return Rounded((whole.T if transposed else whole).astype(stored.values.dtype), stored.scale, shift)


def limits_of(integers: Array) -> Array:
    """How large each integer may become: 127, or for the wide ones of int16 what they are and the 16 bits allow."""
    wide = np.abs(integers.astype(np.int64)) > np.iinfo(np.int8).max
    return np.where(wide, np.iinfo(np.int16).max, np.iinfo(np.int8).max)


def _best(weights: Array, scale: Array, limits: Array, square: Array) -> Array:
    """For each filter the better of both: rounded with what is left made up for, or each weight to the nearest."""
    nearest = np.clip(np.rint(weights / scale), -limits, limits)
    made_up = _rounded(weights, scale, limits, square)
    costs = [_costs(weights - integers * scale, square) for integers in (nearest, made_up)]
    return np.where((costs[1] < costs[0])[:, None], made_up, nearest)


def _costs(errors: Array, square: Array) -> Array:
    """The mean square of each filter's error in its sums."""
    costs: Array = ((errors @ square) * errors).sum(1)
    return costs


def _rounded(weights: Array, scale: Array, limits: Array, square: Array) -> Array:
    """Integers (filters, K) for ``weights`` of one group, the inputs that matter most first.

    What a filter's sums are off by is |F @ error| with ``square`` = F^T @ F, F an upper triangle. Row by row from the
    last each integer makes its own row as small as it can, given the errors behind it. No inverse of ``square`` is
    needed, which would take five times as long as F does.
    """
    damped = square + np.eye(len(square)) * (DAMPING * np.mean(np.diag(square)) + 1e-30)
    order = np.argsort(-np.diag(damped), kind="stable")[::-1]
    factor = np.linalg.cholesky(damped[np.ix_(order, order)]).T
    wanted, bounds = weights[:, order], limits[:, order]
    integers, owed = np.zeros_like(wanted), np.zeros_like(wanted)
    for end in range(wanted.shape[1], 0, -BLOCK):
        # Within a block at once, what lies before it in one product.
        start = max(end - BLOCK, 0)
        for place in range(end - 1, start - 1, -1):
            column = wanted[:, place] + owed[:, place] / factor[place, place]
            integers[:, place] = np.clip(np.rint(column / scale[:, 0]), -bounds[:, place], bounds[:, place])
            error = wanted[:, place] - integers[:, place] * scale[:, 0]
            owed[:, start:place] += np.outer(error, factor[start:place, place])
        errors = wanted[:, start:end] - integers[:, start:end] * scale
        owed[:, :start] += errors @ factor[:start, start:end].T
    back = np.empty_like(integers)
    back[:, order] = integers
    return back
