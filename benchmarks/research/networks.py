"""The residual networks of the grids: three stages, as ResNets for small images have them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from benchmarks.research.small_resnets import CONVOLUTIONS, Block, small_resnet

LAYERS = {block: 3 * inside for block, inside in CONVOLUTIONS.items()}  # that one block more in each stage brings


def deepest(block: Block, layers: int) -> int:
    """The depth of the deepest such net that has no more layers."""
    return 2 + LAYERS[block] * ((layers - 2) // LAYERS[block])


@dataclass(frozen=True)
class Net:
    """A ResNet of ``depth`` layers with weights, projections not counted; ``width`` channels in its first stage
    (four times that outside its bottlenecks)."""

    block: Block
    depth: int
    width: int

    def __post_init__(self) -> None:
        if self.depth < 2 + LAYERS[self.block] or (self.depth - 2) % LAYERS[self.block]:
            raise ValueError(f"a {self.block} net has {LAYERS[self.block]} n + 2 layers, not {self.depth}")

    @property
    def blocks(self) -> int:
        """In each stage."""
        return (self.depth - 2) // LAYERS[self.block]

    @property
    def name(self) -> str:
        return f"{self.block}-{self.depth}-w{self.width}"

    def build(self, channels: int = 1, classes: int = 10, seed: int = 0) -> nn.Sequential:
        """With the random weights of ``seed``; torch's generator is left as it was."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return small_resnet(self.block, self.blocks, self.width, classes, channels)
