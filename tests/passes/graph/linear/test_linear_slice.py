"""Slices as maps, by index and as exported graphs spell them."""

import pytest
import torch
from torch import nn
from torch.fx import Graph, GraphModule, symbolic_trace

from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.linear_slice import slice_map
from rdpass.passes.graph.linear.merge_convs import convolution

X = torch.randn(2, 4, 9, 8, dtype=torch.float64)


def indexed(index):
    class Index(nn.Module):
        def forward(self, x):
            return x[index]

    return symbolic_trace(Index())


def exported(*arguments):
    graph = Graph()
    graph.output(graph.call_function(torch.ops.aten.slice.Tensor, (graph.placeholder("x"), *arguments)))
    return GraphModule(nn.Module(), graph)


def node_of(graph_module):
    return list(graph_module.graph.nodes)[-2]


TAKEN = [
    indexed((slice(None), slice(1, 3))), indexed((slice(None), slice(-2, None), slice(None, None, 2))),
    indexed((slice(None), slice(0, 4, 2), slice(None, None, 3), slice(None, None, 2))), indexed(slice(None)),
    exported(1, 1, 3), exported(2, 0, 2**63 - 1, 2), exported(1, -1),
]  # fmt: skip
REFUSED = [
    (indexed(0), "of another kind"), (indexed((slice(None), 1)), "of another kind"), (indexed(slice(0, 1)), "crops"),
    (indexed((slice(None), slice(None), slice(1, None))), "crops"), (exported(2, 0, 3), "crops"),
    (exported(-1, 0, 3), "of another kind"), (indexed((Ellipsis, slice(1))), "of another kind"),
]  # fmt: skip


@pytest.mark.parametrize("graph_module", TAKEN)
def test_a_slice_of_channels_at_every_sth_position_is_a_map(graph_module):
    linear = slice_map(node_of(graph_module), 4, 2)
    assert torch.equal(convolution(linear, X)(X), graph_module(X))


@pytest.mark.parametrize(("graph_module", "reason"), REFUSED)
def test_parts_of_the_batch_crops_and_single_indices_are_none(graph_module, reason):
    with pytest.raises(NotExact, match=reason):
        slice_map(node_of(graph_module), 4, 2)
