"""A single-precision graph in double precision, where algebra can be checked without rounding in its way.

A deep network may magnify a rounding error of 1e-7 a thousandfold, batch norms folded or not. In double precision the
same starts at 1e-16: what differs there is wrong, what differs in single precision alone is ill-conditioned.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor, nn

from rdpass.core.agreement import check_agreement
from rdpass.core.plan import Traced
from rdpass.passes.graph.annotate import annotate


def in_double(traced: Traced) -> Traced:
    """A copy that computes in double precision; ``traced`` itself where it is not in single precision throughout, or
    changes precision in its own code."""
    if _precisions(traced.module) != {torch.float32}:
        return traced
    doubled = replace(traced, module=deepcopy(traced.module).double(), example=_as(traced.example, torch.float64))
    try:
        with torch.no_grad():
            doubled.module(*(x.clone() for x in doubled.example))
    except RuntimeError:
        return traced
    annotate(doubled.module, doubled.example)
    return doubled


def in_single(traced: Traced) -> Traced:
    """``traced`` rounded to single precision, in place."""
    rounded = replace(traced, module=traced.module.float(), example=_as(traced.example, torch.float32))
    annotate(rounded.module, rounded.example)
    return rounded


def rounding_of(traced: Traced) -> float:
    """The relative change of the outputs when the graph computes in double precision."""
    module = in_double(traced).module
    return check_agreement(
        "rounding", traced.module, lambda *x: module(*_as(x, torch.float64)), traced.example, float("inf")
    ).error


def _precisions(module: nn.Module) -> set[torch.dtype]:
    return {value.dtype for value in (*module.parameters(), *module.buffers()) if value.is_floating_point()}


def _as(example: tuple[Tensor, ...], dtype: torch.dtype) -> tuple[Tensor, ...]:
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in example)
