"""Cuts: the ends of a network's stages, where teacher and student hold maps of one shape under one name."""

from __future__ import annotations

from collections.abc import Sequence

from rdpass.types import Cut, Region


def find_cuts(regions: Sequence[Region]) -> tuple[Cut, ...]:
    """The last add of each run of regions of one shape, before any activation that follows it."""
    ends = [a for a, b in zip(regions, [*regions[1:], None], strict=True) if b is None or a.shape != b.shape]
    return tuple(Cut(region.add, region.shape) for region in ends)
