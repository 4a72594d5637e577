"""Convolutions of every rank by their own names, with the numbers that they had."""

import pytest
import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.graph.node_kinds import callee
from rdpass.passes.graph.restore_convolutions import restore_convolutions
from tests.models import Residual, seeded
from tests.support import error_between

LAYERS = {
    "conv1d": (nn.Conv1d(4, 6, 3, 2, 1, dilation=2, groups=2), (2, 4, 17)),
    "conv2d": (nn.Conv2d(4, 6, (3, 1), (2, 1), (1, 0), groups=2, bias=False), (2, 4, 9, 7)),
    "conv3d": (nn.Conv3d(4, 6, 3, padding=1), (2, 4, 5, 6, 7)),
    "conv_transpose1d": (nn.ConvTranspose1d(4, 6, 3, 2, 1, output_padding=1, groups=2), (2, 4, 9)),
    "conv_transpose2d": (nn.ConvTranspose2d(4, 6, 3, (2, 1), 1, (1, 0), dilation=2), (2, 4, 9, 7)),
    "conv_transpose3d": (nn.ConvTranspose3d(4, 6, 3, 2, bias=False), (2, 4, 3, 4, 5)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_decomposed_convolution_has_the_name_of_its_rank_and_the_same_numbers(name):
    layer, size = LAYERS[name]
    program = torch.export.export(layer.eval(), (torch.randn(size),)).run_decompositions()
    module = program.module()
    decomposed = torch.fx.GraphModule(module, module.graph)
    assert "convolution" in [callee(node) for node in decomposed.graph.nodes]
    before = str(decomposed.graph)
    restored = restore_convolutions(decomposed)
    called = [callee(node) for node in restored.graph.nodes if node.op == "call_function"]
    assert [each for each in called if "conv" in each] == [name]
    assert str(decomposed.graph) == before
    assert error_between(restored, layer, torch.randn(size)) == 0


def test_a_graph_of_other_operators_stays_as_it_is():
    traced = trace(seeded(lambda: Residual(nn.Conv2d(3, 3, 1))), torch.randn(1, 3, 4, 4))
    assert str(restore_convolutions(traced.module).graph) == str(traced.module.graph)
