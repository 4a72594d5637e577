"""JointRD's feature loss: pre-activation maps of a path against the teacher's, at the last stage's end.

Student's side: a 1x1 convolution and batch norm. Teacher's side: a margin ReLU, max(t, margin), the margin per channel
being the mean of a negative response, E[t | t < 0] for t ~ N(beta, gamma^2) by the last batch norm's parameters, or
-3 |gamma| where less than 1e-3 of the mass is negative. Then the partial L2: (s - t)^2, but nothing where t is not
positive and s is below it; summed over elements, divided by the batch. (Margin ReLU and partial L2: Heo et al.,
arXiv 1904.01866.) Without the transform, both sides are compared as they are.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.fx import GraphModule

from rdpass.core.errors import ConfigError
from rdpass.passes.graph.node_kinds import BATCH_NORMS, CONVOLUTIONS, kind_of, module_of

NEGATIVE_MASS = 1e-3


class FeatureMatching(nn.Module):
    """The distance of one path's features from the teacher's, both (N, C, …); without ``margins`` (C,) as they are."""

    margins: Tensor | None

    def __init__(self, channels: int, dims: int, margins: Tensor | None) -> None:
        super().__init__()
        self.register_buffer("margins", None if margins is None else margins.reshape(1, -1, *[1] * dims))
        self.transform: nn.Module = nn.Identity()
        if margins is not None:
            conv = CONVOLUTIONS[dims - 1](channels, channels, 1, bias=False)
            norm = BATCH_NORMS[dims - 1](channels)
            self.transform = nn.Sequential(conv, norm).to(margins)

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        wanted = teacher if self.margins is None else torch.maximum(teacher, self.margins)
        return partial_l2(self.transform(student).float(), wanted.float())  # a sum over a map overflows in fp16


def partial_l2(student: Tensor, teacher: Tensor) -> Tensor:
    """Squared differences where the teacher is positive or the student above it, summed, over the batch's size."""
    counts = (student > teacher) | (teacher > 0)
    return ((student - teacher).square() * counts).sum() / len(student)


def margins_of(norm: nn.Module) -> Tensor:
    """The margin per channel from an affine batch norm's parameters, shape (C,)."""
    assert isinstance(norm, BATCH_NORMS)
    mean, deviation = norm.bias.detach().double(), norm.weight.detach().double().abs().clamp_min(1e-12)
    z = mean / deviation
    negative = 0.5 * torch.erfc(z / math.sqrt(2))
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)
    conditional = mean - deviation * density / negative.clamp_min(1e-300)
    return torch.where(negative > NEGATIVE_MASS, conditional, -3 * deviation).to(norm.weight)


def last_batch_norm(graph_module: GraphModule, name: str) -> nn.Module:
    """The affine batch norm that gives the named node's value, or the body's side of it where that is an add.

    Raises:
        ConfigError: there is none right before.
    """
    pending = [next(node for node in graph_module.graph.nodes if node.name == name)]
    while pending:
        node = pending.pop(0)
        module = module_of(graph_module, node)
        if isinstance(module, BATCH_NORMS) and module.affine:
            return module
        if kind_of(node) in ("add", "pass"):
            pending += sorted(node.all_input_nodes, reverse=True)  # the body is what was computed last
    raise ConfigError(f"no batch norm right before {name} to take margins from; compare features without transform")
