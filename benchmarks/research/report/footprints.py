"""What a residual network has to give up to take as little as its plain one: no training, a question of counting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import torch

from benchmarks.research.arms.arm import Footprint
from benchmarks.research.arms.footprint import footprint_of, plain_footprint
from benchmarks.research.arms.pruned_arm import pruned_to
from benchmarks.research.arms.smaller_arm import smaller_nets
from benchmarks.research.grids.depth import nets_at
from benchmarks.research.networks import Net
from benchmarks.research.protocols import Size

COLUMNS = ("network", "what", "residual", "plain", "channels pruned", "narrower", "shallower")
MEASURES = {
    "separate_bytes": "peak, adds as kernels of their own",
    "peak_bytes": "peak, adds in place",
    "traffic_bytes": "memory traffic, adds in place",
    "macs": "multiply-accumulates",
}


def equal_footprints(size: Size) -> Iterator[str]:
    """A Markdown table: what the plain network saves, and how much smaller a ResNet saves the same.

    Raises:
        ConfigError: torch-pruning is missing.
    """
    yield f"| {' | '.join(COLUMNS)} |\n" + "|---" * len(COLUMNS) + "|"
    for net in nets_at(0, size):
        pixels = size.protocol_for(net).pixels
        model, example = net.build().eval(), torch.zeros(1, 1, pixels, pixels)
        whole, plain = footprint_of(model, example), plain_footprint(net, tuple(example.shape))
        for measure, name in MEASURES.items():
            before, goal = asdict(whole)[measure], asdict(plain)[measure]
            share = pruned_to(measure, goal, model, example)[2]
            smaller = [first_within(net, by, measure, goal, example) for by in ("width", "depth")]
            yield (
                f"| {net.name}, {pixels} px | {name} | {before:,} | {goal:,} | {100 * share:.0f} % |"
                f" {' | '.join(smaller)} |"
            )


def first_within(net: Net, by: str, measure: str, goal: int, example: torch.Tensor) -> str:
    """The largest such net that takes no more."""
    for smaller in smaller_nets(net, by):
        found: Footprint = footprint_of(smaller.build().eval(), example)
        if getattr(found, measure) <= goal:
            return f"width {smaller.width}" if by == "width" else f"{smaller.depth} layers"
    return "none"
