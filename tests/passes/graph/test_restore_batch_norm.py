"""Batch norm that was taken apart is one operator again, where its map alone is read."""

import operator

import torch
from torch import nn
from torch.fx import Graph, GraphModule

from rdpass.passes.graph.node_kinds import callee
from rdpass.passes.graph.restore_batch_norm import restore_batch_norm
from tests.support import error_between


def taken_apart(*read):
    root, graph = nn.Module(), Graph()
    root.norm = nn.BatchNorm2d(3)
    nn.init.uniform_(root.norm.running_mean)
    nn.init.uniform_(root.norm.running_var, 0.5, 2)
    x = graph.placeholder("x")
    names = ("weight", "bias", "running_mean", "running_var")
    stored = [graph.get_attr(f"norm.{name}") for name in names]
    parts = graph.call_function(
        torch.ops.aten._native_batch_norm_legit_no_training.default, (x, *stored, 0.1, 1e-3)
    )  # fmt: skip
    graph.output(tuple(graph.call_function(operator.getitem, (parts, index)) for index in read))
    return GraphModule(root, graph).eval()


def test_the_map_of_the_parts_comes_from_one_batch_norm_of_the_same_numbers():
    apart = taken_apart(0, 0)
    whole = restore_batch_norm(apart)
    called = [callee(node) for node in whole.graph.nodes if node.op == "call_function"]
    assert called == ["batch_norm"]
    assert error_between(whole, apart, torch.randn(2, 3, 4, 4)) <= 1e-6


def test_where_something_else_of_the_parts_is_read_they_stay():
    apart = taken_apart(0, 1)
    assert [str(node) for node in restore_batch_norm(apart).graph.nodes] == [str(node) for node in apart.graph.nodes]
