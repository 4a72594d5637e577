"""A residual network with exits after its first two stages."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.research.arms.footprint import footprint_of
from benchmarks.research.networks import Net
from rdpass.training.losses import divergence
from rdpass.training.objective import Batch

STEM, HEAD = 3, 3  # layers before the stages, and behind them: pool, flatten, classes
TEMPERATURE = 4.0


class Exits(nn.Module):
    """The logits at every exit, the network's own last."""

    def __init__(self, net: Net, model: nn.Module, classes: int) -> None:
        """On a copy of ``model``, built as ``net``; the new exits are drawn from torch's generator."""
        super().__init__()
        layers = list(copy.deepcopy(model).children())
        ends = [STEM + net.blocks, STEM + 2 * net.blocks]
        self.parts = nn.ModuleList(
            nn.Sequential(*layers[start:end]) for start, end in zip([0, *ends], [*ends, -HEAD], strict=True)
        )
        widths = [(net.width << stage) * (4 if net.block == "bottleneck" else 1) for stage in range(2)]
        self.heads = nn.ModuleList([*(exit_head(width, classes) for width in widths), nn.Sequential(*layers[-HEAD:])])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        outputs = []
        for part, head in zip(self.parts, self.heads, strict=True):
            x = part(x)
            outputs.append(head(x))
        return tuple(outputs)

    def macs(self, example: Tensor) -> list[int]:
        """What an image has taken when it leaves at each exit, those passed by included."""
        passed, counts = 0, []
        for index, head in enumerate(self.heads):
            way = nn.Sequential(*self.parts[: index + 1])
            counts.append(footprint_of(nn.Sequential(way, head).eval(), example).macs + passed)
            passed += sum(layer.weight.numel() for layer in head.modules() if isinstance(layer, nn.Linear))
        return counts


def exit_head(width: int, classes: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def mean_loss(outputs: tuple[Tensor, ...], batch: Batch) -> Tensor:
    """Cross-entropy, over all exits."""
    return torch.stack([F.cross_entropy(each, batch.targets) for each in outputs]).mean()


def mean_distance(outputs: tuple[Tensor, ...], wanted: Tensor) -> Tensor:
    """From the teacher's logits, over all exits."""
    return torch.stack([divergence(each, wanted, TEMPERATURE) for each in outputs]).mean()
