"""Slices that take everything go; one whose end is merely the example's size does not."""

import sys

import pytest
import torch
from torch import nn
from torch.fx import Graph, GraphModule

from rdpass.passes.graph.drop_whole_slices import drop_whole_slices, slice_arguments


def sliced(*arguments):
    graph = Graph()
    x = graph.placeholder("x")
    part = graph.call_function(torch.ops.aten.slice.Tensor, (x, *arguments))
    graph.output(graph.call_function(torch.ops.aten.relu.default, (part,)))
    return GraphModule(nn.Module(), graph)


@pytest.mark.parametrize("arguments", [(), (1,), (1, 0), (1, None, None), (2, 0, sys.maxsize), (0, 0, sys.maxsize, 1)])
def test_a_slice_from_the_first_to_the_last_is_dropped(arguments):
    graph_module = sliced(*arguments)
    result = drop_whole_slices(graph_module)
    assert [node.op for node in result.graph.nodes] == ["placeholder", "call_function", "output"]
    assert len(graph_module.graph.nodes) == 4
    x = torch.randn(2, 3, 4)
    assert torch.equal(result(x), graph_module(x))


@pytest.mark.parametrize("arguments", [(1, 0, 3), (1, 1, sys.maxsize), (1, 0, sys.maxsize, 2), (1, -2), (1, 0, -1)])
def test_a_slice_that_leaves_something_out_or_might_for_another_size_stays(arguments):
    result = drop_whole_slices(sliced(*arguments))
    assert len(result.graph.nodes) == 4


def test_arguments_go_by_name_wherever_they_are_given():
    part = next(node for node in sliced(1, 2).graph.nodes if node.target is torch.ops.aten.slice.Tensor)
    part.kwargs = {"end": 5}
    given = slice_arguments(part)
    assert (given["dim"], given["start"], given["end"], given["step"]) == (1, 2, 5, 1)
