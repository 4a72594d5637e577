"""Footprints as rdpass counts them, for networks with shortcuts and for those without."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

import rdpass
from benchmarks.research.arms.arm import Footprint
from benchmarks.research.networks import Net
from rdpass.core.plan import Cost


def footprint_of(model: nn.Module, example: Tensor) -> Footprint:
    """As ``rdpass.inspect`` forecasts the model as it is, for one image."""
    return footprint(rdpass.inspect(model, example).forecast.model)


def footprint(cost: Cost) -> Footprint:
    return Footprint(cost.macs, cost.fused.peak_bytes, cost.separate.peak_bytes, cost.fused.traffic_bytes)


@lru_cache(maxsize=64)
def plain_footprint(net: Net, shape: tuple[int, ...]) -> Footprint:
    """What ``net`` takes once all its shortcuts are gone, on images of ``shape`` (1, C, H, W)."""
    return footprint(rdpass.inspect(net.build(shape[1]).eval(), torch.zeros(shape)).forecast.plain)
