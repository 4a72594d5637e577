"""Layers by cost: their sum is the network's, and the dearest comes first."""

import torch
from torch import nn

from rdpass.capture.trace import trace
from rdpass.passes.analysis.cost import cost_of
from rdpass.report.layers import layers_by_cost
from tests.models import seeded, small_resnet_of_four


def test_layers_sum_up_to_the_networks_cost_and_the_dearest_comes_first():
    module = trace(small_resnet_of_four(), torch.randn(1, 3, 8, 8)).module
    layers = layers_by_cost(module)
    assert sum(layer.macs for layer in layers) == cost_of(module).macs
    assert [layer.macs for layer in layers] == sorted((layer.macs for layer in layers), reverse=True)
    assert [layer.path for layer in layers if layer.macs == layers[0].macs] == ["1.body.0", "1.body.3", "2.body.3"]


def test_a_layer_says_what_it_computes_reads_and_writes():
    module = trace(
        seeded(lambda: nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 16, 3, 2, 1))), torch.randn(1, 3, 8, 8)
    ).module
    found = layers_by_cost(module)[0]
    assert (found.what, found.macs) == ("3\N{MULTIPLICATION SIGN}3/2 16", 16 * 4 * 4 * 8 * 9)
    assert found.weight_bytes == 4 * (16 * 8 * 9 + 16)
    assert found.written_bytes == 4 * 16 * 4 * 4


def test_what_multiplies_without_a_layer_has_the_name_of_its_node():
    class Product(nn.Module):
        def forward(self, x):
            return x @ x

    (layer,) = layers_by_cost(trace(Product(), torch.randn(1, 3, 3)).module)
    assert (layer.path, layer.macs, layer.weight_bytes) == ("matmul", 27, 0)
