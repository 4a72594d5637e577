"""What is noted of every node's result: shape, dtype, and whose memory it lies in."""

import torch
from torch import nn
from torch.fx import symbolic_trace

from rdpass.passes.graph.annotate import TensorMeta, annotate
from rdpass.passes.graph.node_kinds import bytes_of, kind_of, shape_of


class Many(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        flat = x.flatten(1)
        rectified = self.relu(flat + 1)
        first, second = rectified.split(8, 1)
        return {"sum": first + second, "half": (first.half(), x.shape[0])}


def annotated(example):
    graph_module = symbolic_trace(Many())
    annotate(graph_module, (example,))
    return {node.name: node for node in graph_module.graph.nodes}


def test_every_node_has_its_kind_its_shape_and_its_bytes():
    nodes = annotated(torch.zeros(2, 4, 2, 2))
    assert [kind_of(nodes[name]) for name in ("flatten", "relu", "split", "add_1")] == [
        "view", "activation", "slice", "add",
    ]  # fmt: skip
    assert shape_of(nodes["flatten"]) == (2, 16)
    assert nodes["half"].meta["tensor_meta"] == TensorMeta((2, 8), torch.float16)
    assert (bytes_of(nodes["add_1"]), bytes_of(nodes["half"])) == (2 * 8 * 4, 2 * 8 * 2)


def test_several_tensors_keep_their_form_and_a_number_is_none():
    nodes = annotated(torch.zeros(2, 4, 2, 2))
    assert [meta.shape for meta in nodes["split"].meta["tensor_meta"]] == [(2, 8), (2, 8)]
    assert (shape_of(nodes["split"]), bytes_of(nodes["split"])) == (None, 2 * 2 * 8 * 4)
    size, half = nodes["output"].meta["tensor_meta"]["half"][::-1]
    assert size is None
    assert half.dtype is torch.float16


def test_a_view_names_the_operand_in_whose_memory_it_lies_and_a_result_of_its_own_none():
    nodes = annotated(torch.zeros(2, 4, 2, 2))
    assert [nodes[name].meta["view_of"] for name in ("flatten", "add", "relu", "split", "half")] == [
        0,
        None,
        0,
        0,
        None,
    ]


def test_the_example_is_not_written_into_and_no_gradient_is_kept():
    class Overwriting(nn.Module):
        def forward(self, x):
            return x.add_(1)

    example = torch.zeros(1, 3, requires_grad=True)
    graph_module = symbolic_trace(Overwriting())
    annotate(graph_module, (example,))
    assert torch.equal(example, torch.zeros(1, 3))
    assert example.grad is None
