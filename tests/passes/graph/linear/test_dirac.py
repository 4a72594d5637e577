"""Where an identity sits in a convolution, and pointwise maps added there."""

import pytest
import torch
from torch import nn

from rdpass.passes.graph.layers import UnevenConv1d
from rdpass.passes.graph.linear.dirac import (
    Pointwise,
    add_pointwise,
    as_pointwise,
    at,
    identity_map,
    identity_tap,
    numeric_padding,
    with_padding,
    zeros_around,
)

X = torch.randn(2, 4, 9, 8)


@pytest.mark.parametrize(
    ("conv", "tap"),
    [
        (nn.Conv2d(4, 4, 3, 1, 1), (1, 1)), (nn.Conv2d(4, 4, 3, 2, 2, dilation=2), (1, 1)),
        (nn.Conv2d(4, 4, (5, 1), 1, (2, 0)), (2, 0)), (nn.Conv2d(4, 4, 1, 2), (0, 0)),
        (nn.Conv2d(4, 4, 3, padding="same"), (1, 1)), (nn.Conv2d(4, 4, 3, padding="valid"), (0, 0)),
        (nn.Conv2d(4, 4, 3, 1, 1, dilation=2), None), (nn.Conv2d(4, 4, 1, 1, 1), None), (nn.ReLU(), None),
    ],
)  # fmt: skip
def test_a_one_at_the_tap_passes_the_input_on_at_the_stride(conv, tap):
    assert identity_tap(conv) == tap
    if tap is not None:
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
        at(conv.weight.data, tap).copy_(torch.eye(4))
        read = X[:, :, :: conv.stride[0], :: conv.stride[1]]
        got = conv(X)
        height, width = got.shape[2:]
        assert torch.equal(got, read[:, :, :height, :width])


@pytest.mark.parametrize(
    "conv",
    [nn.Conv2d(4, 6, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1, groups=4), nn.Conv2d(4, 4, 3, 1, 2, dilation=2, bias=False)],
)
def test_a_convolution_and_the_pointwise_map_added_to_it_are_one(conv):
    weight = torch.randn(conv.out_channels, 4) if conv.groups == 1 else torch.diag(torch.randn(4))
    added = Pointwise(weight, torch.randn(conv.out_channels), conv.stride)
    read = torch.einsum("oi,nihw->nohw", weight, X[:, :, :: conv.stride[0], :: conv.stride[1]])
    before = conv.weight.clone()
    result = add_pointwise(conv, added)
    assert torch.allclose(result(X), conv(X) + read + added.bias.reshape(-1, 1, 1), atol=1e-5)
    assert torch.equal(conv.weight, before)
    assert result.groups == conv.groups


def test_only_a_dense_1x1_without_padding_is_pointwise():
    conv = nn.Conv2d(4, 6, 1, 2, bias=False)
    found = as_pointwise(conv)
    assert torch.equal(found.weight, conv.weight.flatten(1))
    assert (found.stride, found.bias.abs().sum().item()) == ((2, 2), 0.0)
    for other in (nn.Conv2d(4, 4, 1, groups=2), nn.Conv2d(4, 4, 1, padding=1), nn.Conv2d(4, 4, 3), nn.ReLU()):
        assert as_pointwise(other) is None
    identity = identity_map(4, 2, conv.weight)
    assert torch.equal(identity.weight, torch.eye(4))


def test_same_padding_has_one_more_after_where_the_reach_is_odd():
    conv = nn.Conv1d(4, 4, 4, padding="same")
    assert zeros_around(conv) == ((1,), (2,))
    assert numeric_padding(nn.Conv1d(4, 4, 5, padding="same", dilation=2)) == (4,)
    uneven = with_padding(conv, (3,), (0,))
    assert isinstance(uneven, UnevenConv1d)
    assert uneven.weight is conv.weight
    assert zeros_around(uneven) == ((3,), (0,))
    assert type(with_padding(uneven, (1,), (1,))) is nn.Conv1d
