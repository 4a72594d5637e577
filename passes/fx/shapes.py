"""Writes the shape and dtype of every node on the example into its metadata."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.passes.shape_prop import ShapeProp


def annotate_shapes(graph_module: GraphModule, example: tuple[Tensor, ...]) -> None:
    """Run the graph on ``example`` once, in eval and without gradients, and note what each node gives."""
    with torch.no_grad():
        ShapeProp(graph_module).propagate(*example)
