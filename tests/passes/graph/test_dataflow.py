"""Which operands' values count: what is read for its shape alone is no dataflow."""

import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.passes.graph.annotate import annotate
from rdpass.passes.graph.dataflow import data_sources, data_users, depending_on, gives_tensors


class Shaped(nn.Module):
    def forward(self, x, y):
        wide = x.expand_as(y)
        zeros = torch.zeros_like(wide)
        rows = y.size(0)
        return (wide + zeros).reshape(rows, -1)


def nodes_of():
    graph_module = symbolic_trace(Shaped())
    annotate(graph_module, (torch.zeros(1, 3), torch.zeros(2, 3)))
    return graph_module, {node.name: node for node in graph_module.graph.nodes}


def names(nodes):
    return [node.name for node in nodes]


def test_an_operand_that_gives_its_shape_alone_is_no_source():
    _, nodes = nodes_of()
    assert names(data_sources(nodes["expand_as"])) == ["x"]
    assert names(data_sources(nodes["zeros_like"])) == []
    assert names(data_sources(nodes["add"])) == ["expand_as", "zeros_like"]
    assert names(data_sources(nodes["reshape"])) == ["add"]


def test_who_reads_a_size_or_a_shape_is_no_user_of_the_values():
    _, nodes = nodes_of()
    assert names(data_users(nodes["y"])) == []
    assert names(data_users(nodes["x"])) == ["expand_as"]
    assert names(data_users(nodes["expand_as"])) == ["add"]
    assert names(data_users(nodes["reshape"])) == ["output"]


def test_a_size_gives_no_tensor_and_what_is_not_annotated_may_give_one():
    _, nodes = nodes_of()
    assert [gives_tensors(nodes[name]) for name in ("size", "add", "output")] == [False, True, True]
    assert all(gives_tensors(node) for node in symbolic_trace(Shaped()).graph.nodes)


def test_what_depends_on_a_node_is_all_that_reads_it_directly_or_not_and_not_itself():
    graph_module, _ = nodes_of()
    assert depending_on(graph_module, "expand_as") == {"zeros_like", "add", "reshape", "output"}
    assert depending_on(graph_module, "size") == {"reshape", "output"}
    assert depending_on(graph_module, "output") == frozenset()
