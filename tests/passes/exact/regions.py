"""Blocks traced behind a stem, as exact recipes meet them: zero padding inside the convolutions, shapes annotated."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.core.plan import Region, Traced
from rdpass.passes.analysis.shortcuts.census import take_census
from rdpass.passes.graph.absorb_padding import absorb_padding
from rdpass.passes.graph.annotate import annotate
from tests.models import seeded


def traced_block(block: nn.Module, channels: int = 4, dtype: torch.dtype = torch.float64) -> tuple[Traced, Region]:
    """The graph of a stem that ends in a ReLU and ``block``, and the block's outermost region."""
    model = seeded(lambda: nn.Sequential(nn.Conv2d(3, channels, 1), nn.ReLU(), block)).to(dtype)
    traced = trace(model, torch.randn(2, 3, 8, 8, dtype=dtype))
    traced = replace(traced, module=absorb_padding(traced.module))
    annotate(traced.module, traced.example)
    return traced, take_census(traced)[0][-1]
