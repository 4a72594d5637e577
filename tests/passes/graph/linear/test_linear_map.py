"""Linear maps composed against layers run one after another."""

import pytest
import torch
from torch import nn

from rdpass.passes.graph.linear.dirac import zeros_around
from rdpass.passes.graph.linear.linear_map import LinearMap, NotExact, compose, diagonal, identity, regrouped
from rdpass.passes.graph.linear.merge_convs import convolution

X = torch.randn(2, 4, 11, 10, dtype=torch.float64)


def map_of(conv):
    bias = None if conv.bias is None else conv.bias.detach().double()
    geometry = conv.stride, *zeros_around(conv), conv.dilation, conv.groups
    return LinearMap(conv.weight.detach().double(), bias, *geometry, conv.padding_mode)


def run(linear):
    return convolution(linear, X)(X)


@pytest.mark.parametrize(
    ("first", "then"),
    [
        (nn.Conv2d(4, 6, 1), nn.Conv2d(6, 3, 3, 2)), (nn.Conv2d(4, 6, 1, bias=False), nn.Conv2d(6, 3, 3, 1, 1)),
        (nn.Conv2d(4, 6, 3, 1, 1), nn.Conv2d(6, 5, 1)), (nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(6, 4, 3)),
        (nn.Conv2d(4, 8, 3, 2, 1, groups=4), nn.Conv2d(8, 8, 1, groups=2)),
        (nn.Conv2d(4, 6, 3, 1, 1), nn.Conv2d(6, 6, 1, groups=6)),
        (nn.Conv2d(4, 4, 1, groups=4, bias=False), nn.Conv2d(4, 5, 3, 1, 1)),
        (nn.Conv2d(4, 6, (3, 1), 1, dilation=2), nn.Conv2d(6, 4, (1, 3), (2, 1))),
    ],
)  # fmt: skip
def test_two_layers_are_one_map(first, then):
    composed = compose(map_of(first), map_of(then))
    with torch.no_grad():
        wanted = then.double()(first.double()(X))
    assert composed.size_after((11, 10)) == wanted.shape[2:]
    assert torch.allclose(run(composed), wanted, atol=1e-10)


def test_what_a_padded_layer_reads_beyond_the_map_is_not_what_the_first_layer_would_give_there():
    padded = map_of(nn.Conv2d(6, 4, 3, 1, 1))
    for first in (nn.Conv2d(4, 6, 3), nn.Conv2d(4, 6, 1)):
        with pytest.raises(NotExact, match="at the borders"):
            compose(map_of(first), padded)
    reflecting = map_of(nn.Conv2d(6, 4, 3, 1, 1, padding_mode="reflect"))
    assert compose(map_of(nn.Conv2d(4, 6, 1)), reflecting).mode == "reflect"


def test_on_the_meta_device_shapes_and_strides_are_those_of_the_numbers():
    first, then = map_of(nn.Conv2d(4, 8, 3, 2, 1, groups=4)), map_of(nn.Conv2d(8, 8, 1, groups=2))
    real = compose(first, then)
    shapes = [LinearMap(each.weight.to("meta"), each.bias.to("meta"), *_geometry(each)) for each in (first, then)]
    found = compose(*shapes)
    assert found.weight.is_meta
    assert (found.weight.shape, found.bias.shape, _geometry(found)) == (
        real.weight.shape, real.bias.shape, _geometry(real),
    )  # fmt: skip


def _geometry(linear):
    return linear.stride, linear.before, linear.after, linear.dilation, linear.groups, linear.mode


def test_fewer_groups_write_the_same_map():
    grouped = map_of(nn.Conv2d(4, 8, 3, 1, 1, groups=4))
    for groups in (2, 1):
        wide = regrouped(grouped, groups)
        assert (wide.groups, wide.weight.shape) == (groups, (8, 4 // groups, 3, 3))
        assert torch.allclose(run(wide), run(grouped), atol=1e-12)


def test_an_identity_and_a_diagonal_are_pointwise_and_depthwise():
    scaled = diagonal(torch.tensor([1.0, 2.0, 3.0, 4.0]), torch.ones(4, dtype=torch.float64), 2)
    assert torch.equal(run(identity(4, 2)), X)
    assert torch.allclose(run(scaled), X * torch.arange(1, 5).reshape(4, 1, 1) + 1)
    assert scaled.pointwise
    assert scaled.depthwise
    assert not map_of(nn.Conv2d(4, 4, 1, padding=1)).pointwise
