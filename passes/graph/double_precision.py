"""A single-precision graph in double precision, where algebra can be checked without rounding in its way.

A deep network may magnify a rounding error of 1e-7 a thousandfold, batch norms folded or not. In double precision the
same starts at 1e-16: what differs there is wrong, what differs in single precision alone is ill-conditioned.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import torch

from rdpass.core.agreement import check_agreement, in_precision, precisions_of
from rdpass.core.comparison import own_tolerances
from rdpass.core.plan import Traced
from rdpass.passes.graph.annotate import annotate


def in_double(traced: Traced) -> Traced:
    """A copy that computes in double precision; ``traced`` itself where it is not in single precision throughout, or
    changes precision in its own code."""
    if precisions_of(traced.module) != {torch.float32}:
        return traced
    doubled = replace(
        traced, module=deepcopy(traced.module).double(), example=in_precision(traced.example, torch.float64)
    )
    try:
        with torch.no_grad():
            doubled.module(*(x.clone() for x in doubled.example))
    except RuntimeError:
        return traced
    annotate(doubled.module, doubled.example)
    return doubled


def in_single(traced: Traced) -> Traced:
    """``traced`` rounded to single precision, in place."""
    rounded = replace(traced, module=traced.module.float(), example=in_precision(traced.example, torch.float32))
    annotate(rounded.module, rounded.example)
    return rounded


def rounding_of(traced: Traced) -> float:
    """The relative change of the outputs when the graph computes in double precision."""
    module = in_double(traced).module
    with own_tolerances():
        return check_agreement(
            "rounding", traced.module, lambda *x: module(*in_precision(x, torch.float64)), traced.example, float("inf")
        ).error
