"""Batch norms of a student that changed until shortly before its training's end get their statistics anew.

After n steps a running mean still holds (1 - momentum)^n of what it was. Where that is more than a hundredth, a student
in eval mode would be normalised by the statistics of the network that it was before: one with shortcuts, or with
branches half as strong. Layer by layer the error grows, in a deep network without bound.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rdpass.recipes.statistics import first_inputs
from rdpass.training.loading import Loading
from rdpass.training.request import Request

STALE = 0.01


def refresh_statistics(student: nn.Module, request: Request, share: float) -> None:
    """Average the statistics over the first training images, in place, where they are stale and these can be had: an
    iterator has been read to its end.

    ``share``: the fraction of the training's steps, at its end, in which ``student`` was what it is now.
    """
    student.eval()
    if request.train is None or isinstance(request.train, Iterator):
        return
    config = request.config
    steps = config.epochs * -(-Loading(request.train, config).length // config.accumulate)
    unchanged = int(share * steps)
    stale = [module for module in student.modules() if isinstance(module, _BatchNorm) and _is_stale(module, unchanged)]
    momenta = [norm.momentum for norm in stale]
    for norm in stale:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.train()
    if stale:
        _average(student, request)
    for norm, momentum in zip(stale, momenta, strict=True):
        norm.momentum = momentum
        norm.eval()


@torch.no_grad()
def _average(student: nn.Module, request: Request) -> None:
    rows = 0
    for inputs in first_inputs(student, request, request.config.student.statistics_images):
        rows = rows or len(inputs[0])
        if rows == 1 or len(inputs[0]) > 1:  # one row may be left of the last batch, and has no variance
            student(*inputs)


def _is_stale(norm: _BatchNorm, steps: int) -> bool:
    if not norm.track_running_stats or norm.running_mean is None:
        return False
    return norm.momentum is None or (1 - norm.momentum) ** steps > STALE
