"""Batch norms that take their statistics over the rows of all processes, on CPUs too.

torch's ``SyncBatchNorm`` runs on accelerators only and replaces the modules. Here the modules stay what they are; while
the block lasts, their ``forward`` computes, with sums over all processes that gradients flow through,

    mean = sum(x) / n,   var = sum((x - mean)^2) / n,   y = (x - mean) / sqrt(var + eps) * weight + bias

so N processes compute what one would on the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
import torch.distributed.nn.functional as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from rdpass.training.world import World


@contextmanager
def synchronised_norms(model: nn.Module, world: World) -> Iterator[None]:
    """Let every batch norm of ``model`` see all processes' rows while it trains."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if world.size > 1 else []
    for norm in norms:
        norm.forward = partial(_forward, norm)  # type: ignore[method-assign]
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _forward(norm: _BatchNorm, x: Tensor) -> Tensor:
    if not norm.training:
        return type(norm).forward(norm, x)
    axes = [axis for axis in range(x.ndim) if axis != 1]
    wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
    count = _total(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
    mean = _total(wide.sum(axes)) / count
    centred = wide - _along(mean, x)
    var = _total(centred.square().sum(axes)) / count
    _update(norm, mean.detach(), var.detach() * count / (count - 1).clamp_min(1))
    y = centred * _along(torch.rsqrt(var + norm.eps), x)
    if norm.affine:
        y = y * _along(norm.weight, x) + _along(norm.bias, x)
    return y.to(x.dtype)


@torch.no_grad()
def _update(norm: _BatchNorm, mean: Tensor, unbiased: Tensor) -> None:
    if not norm.track_running_stats or norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked.add_(1)
    momentum = 1.0 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
    norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), momentum)
    norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), momentum)


def _total(values: Tensor) -> Tensor:
    total: Tensor = dist.all_reduce(values)  # type: ignore[no-untyped-call]
    return total


def _along(values: Tensor, x: Tensor) -> Tensor:
    """Per-channel values, shaped to go with maps (N, C, ...)."""
    return values.reshape(1, -1, *[1] * (x.ndim - 2))
