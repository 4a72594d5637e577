"""A shortcut as the layers that a carried channel goes through."""

import pytest
import torch
from torch import nn

from rdpass.passes.exact.shortcut_layers import shortcut_layers
from rdpass.passes.graph.linear.linear_map import NotExact
from rdpass.passes.graph.linear.merge_convs import convolution
from tests.models import PaddedChannels, Residual, basic_block, conv_bn
from tests.passes.exact.exact_cases import resnet_d, strided
from tests.passes.exact.regions import traced_block


def layers_of(block):
    traced, region = traced_block(block)
    return shortcut_layers(traced.module, region)


def test_an_identity_has_none_and_a_projection_with_its_norm_is_one():
    assert layers_of(basic_block(4, 4)) == ()
    (projection,) = layers_of(basic_block(4, 6, 2))
    assert (projection.map.outputs, projection.map.stride, projection.averages) == (6, (2, 2), False)


def test_a_pool_before_a_projection_is_a_layer_of_its_own_that_averages():
    pool, projection = layers_of(resnet_d())
    assert (pool.averages, pool.map.kernel, pool.map.depthwise) == (True, (2, 2), True)
    assert (projection.averages, projection.map.kernel) == (False, (1, 1))


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.a(x) - self.b(x)


@pytest.mark.parametrize(
    ("shortcut", "out"), [(PaddedChannels(1, 7, 2), 7), (conv_bn(4, 6, 3, 2), 6), (conv_bn(4, 6, 1, 2), 6)]
)
def test_one_after_another_the_layers_are_the_shortcut(shortcut, out):
    layers = layers_of(strided(out, shortcut))
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64)
    got = x
    with torch.no_grad():
        for layer in layers:
            got = convolution(layer.map, got)(got)
        assert torch.allclose(got, shortcut(x), atol=1e-10)


def test_a_shortcut_that_branches_is_one_layer_and_one_that_is_not_linear_is_refused():
    body = nn.Sequential(*conv_bn(4, 4), nn.ReLU(), *conv_bn(4, 4), nn.ReLU(), *conv_bn(4, 4))
    (layer,) = layers_of(Residual(body, Branching()))
    assert layer.map.kernel == (1, 1)
    with pytest.raises(NotExact, match="not linear"):
        layers_of(Residual(nn.Sequential(*conv_bn(4, 4, stride=2)), nn.MaxPool2d(2)))
