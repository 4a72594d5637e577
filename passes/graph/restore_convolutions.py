"""Convolutions under the names of their ranks: a program that was decomposed, or came from a script, has one for all.

1. convolution(x, weight, bias, stride, padding, dilation, False, …, groups)
   → conv2d(x, weight, bias, stride, padding, dilation, groups)
2. convolution(x, weight, bias, stride, padding, dilation, True, output_padding, groups)
   → conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation)

The rank is the length of ``stride``.
"""

from __future__ import annotations

import torch
from torch.fx import GraphModule, Node

from rdpass.passes.graph.editing import copy_graph, tidy

_PLAIN = {
    1: torch.ops.aten.conv1d.default,
    2: torch.ops.aten.conv2d.default,
    3: torch.ops.aten.conv3d.default,
}
_TRANSPOSED = {
    1: torch.ops.aten.conv_transpose1d.default,
    2: torch.ops.aten.conv_transpose2d.input,
    3: torch.ops.aten.conv_transpose3d.input,
}


def restore_convolutions(graph_module: GraphModule) -> GraphModule:
    """A graph with ``aten.conv2d`` and its kin instead of ``aten.convolution``."""
    result = copy_graph(graph_module)
    for node in result.graph.nodes:
        if node.target is torch.ops.aten.convolution.default:
            _rename(node)
    return tidy(result)


def _rename(node: Node) -> None:
    source, weight, bias, stride, padding, dilation, transposed, output_padding, groups = node.args
    assert isinstance(stride, list | tuple)
    if transposed:
        node.target = _TRANSPOSED[len(stride)]
        node.args = (source, weight, bias, stride, padding, output_padding, groups, dilation)
    else:
        node.target = _PLAIN[len(stride)]
        node.args = (source, weight, bias, stride, padding, dilation, groups)
