"""Fold a batch norm into the convolution before it, where both are of constants.

Files written by rdpass have none left; others may: exporters that fold nothing, networks saved as if for training. Left
where it is, each is a pass over its map and keeps a second map of that size alive.

conv(x, W) (+ b), normalised: conv(x, s W) + (t + s b), with s = γ / √(σ² + ε) and t = β − s μ per channel of the result
(Ioffe and Szegedy, arXiv 1502.03167, section 3.1). Computed in double precision, rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tvm
from tvm import relax

from rdpass.core.comparison import Array
from rdpass.passes.lowering.dataflow import Dataflow, array_of, operator_of, read_dataflow, shape_of, weights_of
from rdpass.passes.lowering.match.batch_norm import affine_of

_CONVOLUTIONS = {"relax.nn.conv2d": "OIHW", "relax.nn.conv3d": "OIDHW"}  # and how their weights lie
_TRANSPOSED = {"relax.nn.conv2d_transpose": "IOHW", "relax.nn.conv3d_transpose": "IODHW"}


@relax.transform.function_pass(opt_level=0, name="FoldBatchNorm")
class FoldBatchNorm:
    """Preserves values up to rounding."""

    def transform_function(self, function: Any, module: tvm.IRModule, context: Any) -> Any:
        while folds := _folds(read_dataflow(function)):  # of two norms in a row the second comes behind a sum
            function = _rewritten(function, folds)
        return function


@dataclass(frozen=True)
class _Fold:
    """``convolution`` gets ``weights``; ``result`` is its value with ``bias`` added; ``gone`` is no longer computed."""

    convolution: Any
    result: Any
    gone: tuple[Any, ...]
    weights: Array = field(repr=False)
    bias: Array = field(repr=False)


def _folds(flow: Dataflow) -> list[_Fold]:
    return [fold for variable, _ in flow.bindings if (fold := _fold_of(flow, variable)) is not None]


def _fold_of(flow: Dataflow, result: Any) -> _Fold | None:
    """The fold that gives ``result``: the first of a batch norm's results, if a convolution is read by that alone."""
    item: Any = flow.value(result)
    if not isinstance(item, relax.TupleGetItem) or item.index:
        return None
    norm: Any = item.tuple_value
    affine = affine_of(flow.value(norm))
    others = [reader for reader in flow.readers.get(norm, []) if not reader.same_as(result)]
    if affine is None or any(flow.readers[other] or other in flow.results for other in others) or norm in flow.results:
        return None
    scale, shift = affine
    if not np.isfinite(scale).all():
        return None
    call: Any = flow.value(norm)
    before: Any = call.args[0]
    convolution, bias = _without_bias(flow, before)
    weights = _scaled(flow.value(convolution), scale)
    if weights is None or any(flow.only_reader(value) is None for value in {before, convolution}):
        return None
    gone = (norm, *others) if convolution.same_as(before) else (norm, *others, before)
    return _Fold(convolution, result, gone, weights, (shift + scale * bias).astype(weights.dtype))


def _without_bias(flow: Dataflow, value: Any) -> tuple[Any, Array]:
    """The map to which ``value`` adds a constant per channel, and that constant; or ``value`` itself, and 0."""
    call: Any = flow.value(value)
    shape = shape_of(value)
    if operator_of(call) == "relax.add" and shape is not None:
        for summand, added in (call.args, call.args[::-1]):
            constant = array_of(added)
            if constant is None or not isinstance(summand, relax.Var) or shape_of(summand) != shape:
                continue
            if constant.shape in ((1, shape[1], *[1] * len(shape[2:])), (shape[1], *[1] * len(shape[2:]))):
                return summand, constant.astype(np.float64).reshape(-1)
    return value, np.zeros(1)


def _scaled(call: Any, scale: Array) -> Array | None:
    """The weights of a convolution whose results are multiplied by ``scale``."""
    name = operator_of(call)
    weights = weights_of(call.args[1]) if name in _CONVOLUTIONS or name in _TRANSPOSED else None
    if weights is None:
        return None
    if name in _CONVOLUTIONS:
        fits, factors = call.attrs.kernel_layout == _CONVOLUTIONS[name], scale[:, None]
    else:
        # The inputs of a group lie together, each with the filters of its own group.
        groups = int(call.attrs.groups)
        fits = call.attrs.kernel_layout == _TRANSPOSED[name]
        factors = np.repeat(scale.reshape(groups, -1), len(weights) // groups, axis=0)
    if not fits:
        return None
    factors = factors.reshape(*factors.shape, *[1] * (weights.ndim - 2))
    return (weights.astype(np.float64) * factors).astype(weights.dtype)


def _rewritten(function: Any, folds: list[_Fold]) -> Any:
    blocks = [type(block)(list(_bindings(block.bindings, folds))) for block in function.body.blocks]
    body = relax.BlockBuilder().normalize(relax.SeqExpr(blocks, function.body.body))
    return relax.Function(function.params, body, function.ret_ty, function.is_pure, function.attrs)


def _bindings(bindings: Any, folds: list[_Fold]) -> Iterator[Any]:
    builder = relax.BlockBuilder()
    weighted = {fold.convolution: fold for fold in folds}
    normalised = {fold.result: fold for fold in folds}
    gone = {variable for fold in folds for variable in fold.gone}
    for binding in bindings:
        variable, value = binding.var, binding.value
        if variable in weighted:
            given = relax.Call(value.op, [value.args[0], relax.const(weighted[variable].weights)], value.attrs)
            yield relax.VarBinding(variable, builder.normalize(given))
        elif variable in normalised:
            fold = normalised[variable]
            bias = fold.bias.reshape(-1, *[1] * (len(shape_of(variable) or ()) - 2))
            yield relax.VarBinding(variable, builder.normalize(relax.op.add(fold.convolution, relax.const(bias))))
        elif variable not in gone:
            yield binding
